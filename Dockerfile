# One static binary in an image that holds nothing else but the public
# certificate authorities. Build: docker build --build-arg VERSION=$(git describe --tags --always) -t ottogate .
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev COMMIT= TARGETOS TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -tags nomsgpack -trimpath -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT" -o /out/ottogate ./cmd/ottogate
# What the gateway may write to: last known configurations, captures.
RUN mkdir -p /out/var/lib/ottogate

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /out/var/lib/ottogate /var/lib/ottogate
COPY --from=build /out/ottogate /ottogate
USER 65532:65532
EXPOSE 8080 9090
# No HEALTHCHECK: the image has no second program to ask with. Orchestrators
# probe /healthz and /readyz.
ENTRYPOINT ["/ottogate"]
CMD ["serve", "--config", "/etc/ottogate/ottogate.yaml"]
