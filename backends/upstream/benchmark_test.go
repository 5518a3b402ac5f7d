package upstream

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// The benchmarks compare the own client with the tuned ReverseProxy, with the
// same net/http server in front and the same upstream behind. Client, gateway
// and upstream share the machine: read the ratio.

func BenchmarkGet(b *testing.B) {
	answer := strings.Repeat("x", 120)
	up := upstreamServer(b, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, answer) })
	compare(b, up.URL, func(g *gateway) (*http.Response, error) { return g.client.Get(g.URL + "/s/") })
}

func BenchmarkPost(b *testing.B) {
	sent := strings.Repeat("x", 1024)
	up := upstreamServer(b, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	compare(b, up.URL, func(g *gateway) (*http.Response, error) {
		return g.client.Post(g.URL+"/s/", "text/plain", strings.NewReader(sent))
	})
}

func BenchmarkDownload(b *testing.B) {
	up := upstreamServer(b, func(w http.ResponseWriter, r *http.Request) { _, _ = io.CopyN(w, zeros{}, megabyte) })
	b.SetBytes(megabyte)
	compare(b, up.URL, func(g *gateway) (*http.Response, error) { return g.client.Get(g.URL + "/s/") })
}

func BenchmarkUpload(b *testing.B) {
	up := upstreamServer(b, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	b.SetBytes(megabyte)
	compare(b, up.URL, func(g *gateway) (*http.Response, error) {
		return g.client.Post(g.URL+"/s/", "text/plain", io.LimitReader(zeros{}, megabyte))
	})
}

func compare(b *testing.B, address string, call func(*gateway) (*http.Response, error)) {
	for _, carrier := range []string{"direct", "reference"} {
		b.Run(carrier, func(b *testing.B) {
			g := through(b, carrier, address)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					answer, err := call(g)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
				}
			})
		})
	}
}
