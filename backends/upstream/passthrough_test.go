package upstream

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ottogate/ottogate/problem"
)

func TestStatusesPass(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			status, _ := strconv.Atoi(r.URL.Query().Get("status"))
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("X-Mine", "yes")
			w.WriteHeader(status)
			if status != 204 && status != 304 {
				fmt.Fprintf(w, "body of %d", status)
			}
		})
		g := through(t, carrier, up.URL)
		for _, status := range []int{200, 201, 204, 206, 301, 304, 404, 418, 500, 503, 599} {
			answer, text := g.do(t, "GET", "/?status="+strconv.Itoa(status), nil)
			want := "body of " + strconv.Itoa(status)
			if status == 204 || status == 304 {
				want = ""
			}
			if answer.StatusCode != status || text != want || answer.Header.Get("X-Mine") != "yes" || answer.Header.Get("Location") != "/elsewhere" {
				t.Errorf("%d came as %d %q %v", status, answer.StatusCode, text, answer.Header)
			}
			if answer.Header.Get("Ottogate-Error") != "" {
				t.Errorf("%d is marked as the gateway's", status)
			}
		}
	})
}

func TestMethodPathQueryAndRepeatedHeadersPass(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		var got *http.Request
		var body string
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			got, body = r, string(text)
			w.Header().Add("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2")
		})
		g := through(t, carrier, up.URL)
		for _, path := range []string{"/a%2Fb/c%20d", "/%252F/+/..%2f", "//x//y", "/%E2%82%AC;v=1,2", "/?a=1&b=%2F;c&d=%zz", "/p?", "/a!$&'()*+,;=:@~"} {
			answer, _ := g.do(t, "PATCH", path, strings.NewReader("small"), "X-Twice", "1", "X-Twice", "2")
			if got.Method != "PATCH" || body != "small" || got.RequestURI != path && got.RequestURI != "http://"+got.Host+path {
				t.Errorf("%s came as %s %s %q", path, got.Method, got.RequestURI, body)
			}
			if twice := got.Header["X-Twice"]; !slices.Equal(twice, []string{"1", "2"}) {
				t.Errorf("repeated header came as %v", twice)
			}
			if cookies := answer.Header["Set-Cookie"]; !slices.Equal(cookies, []string{"a=1", "b=2"}) {
				t.Errorf("cookies came as %v", cookies)
			}
			if answer.Header.Get("Ottogate-Attempts") != "1" || answer.Header.Get("Ottogate-Upstream") != "s/"+strings.TrimPrefix(up.URL, "http://") {
				t.Errorf("origin came as %v", answer.Header)
			}
		}
	})
}

func TestAnswerHasNothingAdded(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = nil
			w.Header().Set("X-Request-Id", "theirs")
			w.Header().Set("Ottogate-Attempts", "99")
			w.Header().Set("ottogate_upstream", "forged")
			w.Header().Set("Ottogate-Error", "internal")
			_, _ = io.WriteString(w, "<html>")
		})
		answer, _ := through(t, carrier, up.URL).do(t, "GET", "/", nil)
		if answer.Header["Content-Type"] != nil {
			t.Errorf("a type was guessed: %v", answer.Header)
		}
		if ids := answer.Header["X-Request-Id"]; len(ids) != 1 || ids[0] != "r-1" {
			t.Errorf("request id came as %v", ids)
		}
		if answer.Header.Get("Ottogate-Attempts") != "1" || answer.Header.Get("Ottogate-Error") != "" || answer.Header.Get("Ottogate_upstream") != "" {
			t.Errorf("forged fields came through: %v", answer.Header)
		}
	})
}

func TestEncodingsAndRedirectsAreLeftAlone(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		var accepted []string
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			accepted = r.Header["Accept-Encoding"]
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "\x1f\x8bnot really")
		})
		answer, text := through(t, carrier, up.URL).do(t, "GET", "/", nil)
		if text != "\x1f\x8bnot really" || answer.Header.Get("Content-Encoding") != "gzip" || accepted != nil {
			t.Errorf("got %q, %v; upstream was asked for %v", text, answer.Header, accepted)
		}
	})
}

func TestHeadKeepsTheLength(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "12345")
			w.WriteHeader(200)
		})
		g := through(t, carrier, up.URL)
		for range 3 { // on one connection: nothing may be left behind
			answer, text := g.do(t, "HEAD", "/", nil)
			if answer.ContentLength != 12345 || text != "" {
				t.Errorf("got length %d, body %q", answer.ContentLength, text)
			}
		}
	})
}

func TestBodiesPassBothWays(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Length", strconv.FormatInt(r.ContentLength, 10))
			if r.URL.Query().Has("fixed") {
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			}
			for len(body) > 0 { // in pieces of uneven size
				n := min(len(body), 4999)
				_, _ = w.Write(body[:n])
				body = body[n:]
			}
		})
		g := through(t, carrier, up.URL)
		for _, size := range []int{0, 1, 4095, 4096, 16 << 10, 16<<10 + 1, 32 << 10, 300_000} {
			sent := bytes.Repeat([]byte("0123456789abcdef\n"), size/17+1)[:size]
			for _, query := range []string{"?fixed", "?chunked"} {
				fixed, got := g.do(t, "POST", "/"+query, bytes.NewReader(sent))
				if got != string(sent) || fixed.Header.Get("X-Length") != strconv.Itoa(size) {
					t.Errorf("%d bytes of known length: got %d, upstream saw length %s", size, len(got), fixed.Header.Get("X-Length"))
				}
				if query == "?fixed" && fixed.ContentLength != int64(size) {
					t.Errorf("the length %d came as %d", size, fixed.ContentLength)
				}
				chunked, got := g.do(t, "POST", "/"+query, io.MultiReader(bytes.NewReader(sent)))
				if got != string(sent) || chunked.Header.Get("X-Length") != "-1" {
					t.Errorf("%d bytes in chunks: got %d, upstream saw length %s", size, len(got), chunked.Header.Get("X-Length"))
				}
			}
		}
	})
}

func TestTrailersPassBothWays(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		var got http.Header
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			got = r.Trailer.Clone()
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, "body")
			w.Header().Set("X-Sum", "42")
			w.Header().Set(http.TrailerPrefix+"X-Late", "too")
			w.Header().Set(http.TrailerPrefix+"Ottogate-App", "forged")
		})
		g := through(t, carrier, up.URL)
		r, _ := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/s/", io.MultiReader(strings.NewReader("body")))
		r.Trailer = http.Header{"X-Check": {"7"}, "Ottogate-Fence": {"1"}}
		answer, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
		if answer.Trailer.Get("X-Sum") != "42" || answer.Trailer.Get("X-Late") != "too" || answer.Trailer.Get("Ottogate-App") != "" {
			t.Errorf("answer's trailers: %v", answer.Trailer)
		}
		if got.Get("X-Check") != "7" || got.Get("Ottogate-Fence") != "" {
			t.Errorf("request's trailers: %v", got)
		}
	})
}

func TestRefusals(t *testing.T) {
	var seen int
	up := upstreamServer(t, func(http.ResponseWriter, *http.Request) { seen++ })
	g := through(t, "direct", up.URL)
	answer, _ := g.do(t, "TRACE", "/", nil)
	expect(t, answer, problem.MethodNotAllowed)
	answer, _ = g.do(t, "GET", "/", nil, "Via", "1.0 fred, 1.1 Gate (x)")
	expect(t, answer, problem.Loop)
	r, _ := http.NewRequestWithContext(t.Context(), "GET", g.URL+"/nobody/x", nil)
	answer, err := g.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	expect(t, answer, problem.NoSuchService)
	if seen != 0 {
		t.Errorf("%d of them reached the upstream", seen)
	}
}

func TestRouteToItselfEndsInAnError(t *testing.T) {
	back := httptest.NewUnstartedServer(nil)
	defer back.Close()
	g := through(t, "direct", "http://"+back.Listener.Addr().String())
	back.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path, r.URL.RawPath = "/s/", ""
		g.ServeHTTP(w, r)
	})
	back.Start()
	answer, _ := g.do(t, "GET", "/", nil)
	if answer.StatusCode != http.StatusLoopDetected {
		t.Errorf("got %d", answer.StatusCode)
	}
}
