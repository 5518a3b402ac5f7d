package upstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ottogate/ottogate/problem"
)

const megabyte = 1 << 20

func TestFirstByteOfAnAnswerPassesBeforeTheLast(t *testing.T) {
	for _, framing := range []string{"length", "chunks", "sse", "close"} {
		t.Run(framing, func(t *testing.T) {
			bothCarriers(t, func(t *testing.T, carrier string) {
				read := make(chan struct{})
				up := rawUpstream(t, func(c net.Conn, in *bufio.Reader) {
					_, _ = readRequest(in)
					first, last := "first", "last"
					switch framing {
					case "length":
						_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
					case "close":
						_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
					default:
						first, last = "5\r\nfirst\r\n", "4\r\nlast\r\n0\r\n\r\n"
						_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
					}
					_, _ = io.WriteString(c, first)
					<-read
					_, _ = io.WriteString(c, last)
				})
				g := through(t, carrier, up)
				r, _ := http.NewRequestWithContext(t.Context(), "GET", g.URL+"/s/", nil)
				answer, err := g.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				first := make([]byte, 5)
				_, err = io.ReadFull(answer.Body, first)
				close(read)
				rest, _ := io.ReadAll(answer.Body)
				if string(first)+string(rest) != "firstlast" || err != nil {
					t.Errorf("got %q, %q, %v", first, rest, err)
				}
			})
		})
	}
}

func TestHeadersOfAStreamPassBeforeItsFirstByte(t *testing.T) {
	read := make(chan struct{})
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		<-read
	})
	g := through(t, "direct", up.URL)
	answer, err := g.client.Get(g.URL + "/s/")
	close(read)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
}

func TestStreamsPassBothWaysAtOnce(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			in := bufio.NewReader(r.Body)
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				fmt.Fprintf(w, "echo %s", line)
				w.(http.Flusher).Flush()
			}
		})
		g := through(t, carrier, up.URL)
		out, in := io.Pipe()
		r, _ := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/s/", out)
		go func() { _, _ = io.WriteString(in, "0\n") }()
		answer, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		lines := bufio.NewReader(answer.Body)
		for i := range 5 {
			if line, err := lines.ReadString('\n'); line != fmt.Sprintf("echo %d\n", i) {
				t.Fatalf("line %d: %q, %v", i, line, err)
			}
			_, _ = fmt.Fprintf(in, "%d\n", i+1)
		}
		_ = in.Close()
		if rest, err := io.ReadAll(lines); string(rest) != "echo 5\n" || err != nil {
			t.Errorf("rest %q, %v", rest, err)
		}
	})
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestFiftyMegabytesBothWaysInFlatMemory(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			w.Header().Set("X-Received", fmt.Sprint(n))
			_, _ = io.CopyN(w, zeros{}, 50*megabyte)
		})
		g := through(t, carrier, up.URL)
		for _, length := range []int64{50 * megabyte, -1} {
			r, _ := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/s/", io.LimitReader(zeros{}, 50*megabyte))
			r.ContentLength = length
			peak := watchHeap(t)
			answer, err := g.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			if n != 50*megabyte || err != nil || answer.Header.Get("X-Received") != fmt.Sprint(50*megabyte) {
				t.Errorf("upstream got %s, caller got %d, %v", answer.Header.Get("X-Received"), n, err)
			}
			if grown := peak(); grown > 8*megabyte {
				t.Errorf("the heap grew by %d MB", grown/megabyte)
			}
		}
	})
}

// watchHeap samples the live heap until the returned function is called, which
// tells how far it rose above the start.
func watchHeap(t *testing.T) func() int64 {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	base, peak := heap(), int64(0)
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				peak = max(peak, heap())
			}
		}
	})
	return func() int64 { close(stop); watching.Wait(); return peak - base }
}

func TestCallerThatLeavesIsSeenUpstreamAtOnce(t *testing.T) {
	for _, when := range []string{"before the answer", "within the answer"} {
		t.Run(when, func(t *testing.T) {
			bothCarriers(t, func(t *testing.T, carrier string) {
				arrived, left := make(chan struct{}), make(chan time.Time, 1)
				up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
					if when == "within the answer" {
						_, _ = io.WriteString(w, "begun")
						w.(http.Flusher).Flush()
					}
					close(arrived)
					<-r.Context().Done()
					left <- time.Now()
				})
				g := through(t, carrier, up.URL)
				ctx, cancel := context.WithCancel(t.Context())
				r, _ := http.NewRequestWithContext(ctx, "GET", g.URL+"/s/", nil)
				go func() {
					if answer, err := g.client.Do(r); err == nil {
						_, _ = io.Copy(io.Discard, answer.Body)
						_ = answer.Body.Close()
					}
				}()
				<-arrived
				begun := time.Now()
				cancel()
				select {
				case seen := <-left:
					if took := seen.Sub(begun); took > 100*time.Millisecond {
						t.Errorf("it took %v", took)
					}
				case <-time.After(5 * time.Second):
					t.Error("the upstream never learned of it")
				}
			})
		})
	}
}

func TestCallerThatCutsItsBodyCutsTheUpstreams(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		seen := make(chan error, 1)
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			seen <- err
		})
		g := through(t, carrier, up.URL)
		c, err := net.Dial("tcp", g.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "POST /s/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		_ = c.Close()
		select {
		case err := <-seen:
			if err == nil {
				t.Error("the upstream took the cut body for a whole one")
			}
		case <-time.After(5 * time.Second):
			t.Error("the upstream never learned of it")
		}
	})
}

func TestEarlyAnswerEndsTheUpload(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := rawUpstream(t, func(c net.Conn, in *bufio.Reader) {
			_, _ = http.ReadRequest(in)
			_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
			_, _ = io.Copy(io.Discard, in)
		})
		g := through(t, carrier, up)
		c, err := net.Dial("tcp", g.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		// What follows the early answer looks like a request and is body.
		_, _ = io.WriteString(c, "POST /s/ HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
		in := bufio.NewReader(c)
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != 413 || string(text) != "no" || !answer.Close {
			t.Errorf("got %d %q, close=%v", answer.StatusCode, text, answer.Close)
		}
		begun := time.Now()
		_, _ = io.WriteString(c, "GET /s/smuggled HTTP/1.1\r\nHost: h\r\n\r\n")
		if more, err := http.ReadResponse(in, nil); err == nil {
			t.Errorf("the body was taken for a request: %d", more.StatusCode)
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("the caller's connection was held for %v", took)
		}
	})
}

func TestContinueIsTheUpstreamsToSay(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/refuse") {
				w.WriteHeader(417)
				return
			}
			body, _ := io.ReadAll(r.Body)
			_, _ = w.Write(body)
		})
		g := through(t, carrier, up.URL)
		for path, want := range map[string]string{"/take": "100 200 hello", "/refuse": "417"} {
			c, err := net.Dial("tcp", g.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = fmt.Fprintf(c, "POST /s%s HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", path)
			in := bufio.NewReader(c)
			first, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(first.StatusCode)
			if first.StatusCode == 100 {
				_, _ = io.WriteString(c, "hello")
				if second, err := http.ReadResponse(in, nil); err == nil {
					body, _ := io.ReadAll(second.Body)
					got += fmt.Sprintf(" %d %s", second.StatusCode, body)
				}
			}
			if got != want {
				t.Errorf("%s: got %q, want %q", path, got, want)
			}
			_ = c.Close()
		}
	})
}

func TestUpstreamWithoutContinueGetsTheBodyAfterAWhile(t *testing.T) {
	up := rawUpstream(t, func(c net.Conn, in *bufio.Reader) {
		r, _ := http.ReadRequest(in)
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	})
	g := newGateway(t, map[string]Service{"s": {Endpoints: []string{up}}}, func(p *Pool) { p.limits.continueWait = 20 * time.Millisecond })
	if _, text := g.do(t, "PUT", "/", strings.NewReader("hello"), "Expect", "100-continue"); text != "hello" {
		t.Errorf("got %q", text)
	}
}

func TestInterimAnswersPass(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(103)
			w.Header().Del("Link")
			_, _ = io.WriteString(w, "done")
		})
		g := through(t, carrier, up.URL)
		var hints []string
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprintf("%d %s", code, header.Get("Link")))
			return nil
		}}
		r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", g.URL+"/s/", nil)
		answer, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if len(hints) != 1 || hints[0] != "103 </style.css>" || string(text) != "done" || answer.Header.Get("Link") != "" || answer.Header.Get("X-Request-Id") != "r-1" {
			t.Errorf("got %v, then %q %v", hints, text, answer.Header)
		}
	})
}

func TestWebSocketPasses(t *testing.T) {
	var app string
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		app = r.Header.Get("Ottogate-App")
		w.Header().Set("Ottogate-Upstream", "forged")
		socket, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer socket.CloseNow()
		for {
			kind, message, err := socket.Read(r.Context())
			if err != nil || socket.Write(r.Context(), kind, message) != nil {
				return
			}
		}
	})
	g := through(t, "direct", up.URL)
	g.timeout = 300 * time.Millisecond // bounds the handshake, not the frames
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	socket, answer, err := websocket.Dial(ctx, g.URL+"/s/ws", &websocket.DialOptions{HTTPHeader: http.Header{"Ottogate-App": {"admin"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.CloseNow()
	for i := range 5 {
		sent := bytes.Repeat([]byte{byte(i)}, 1000*i)
		_ = socket.Write(ctx, websocket.MessageBinary, sent)
		if _, got, err := socket.Read(ctx); !bytes.Equal(got, sent) || err != nil {
			t.Fatalf("frame %d: %d bytes, %v", i, len(got), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if app != "orders" || answer.Header.Get("Ottogate-Upstream") == "forged" || answer.Header.Get("Ottogate-Upstream") == "" || answer.Header.Get("X-Request-Id") != "r-1" {
		t.Errorf("upstream saw app %q, caller %v", app, answer.Header)
	}
}

func TestCloseEndsWebSocketsAndStreams(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			if socket, err := websocket.Accept(w, r, nil); err == nil {
				_, _, _ = socket.Read(r.Context())
				_ = socket.CloseNow()
			}
			return
		}
		_, _ = io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	g := through(t, "direct", up.URL)
	socket, _, err := websocket.Dial(t.Context(), g.URL+"/s/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.CloseNow()
	answer, err := g.client.Get(g.URL + "/s/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	begun := time.Now()
	_ = g.pool.Close()
	if took := time.Since(begun); took > time.Second {
		t.Errorf("Close took %v", took)
	}
	if _, err := io.ReadAll(answer.Body); err == nil {
		t.Error("the cut stream looked whole")
	}
	late, _ := g.do(t, "GET", "/", nil)
	expect(t, late, problem.ShuttingDown)
}

// Close cuts whatever waits for an upstream, in every stage: a connection that
// does not come about, a head that does not come, a stream without an end, a
// body that is still on its way.
func TestCloseCutsEveryStage(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/stream":
			_, _ = io.WriteString(w, "begun")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case "/silent":
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		case "/upload":
			_, _ = io.Copy(io.Discard, r.Body)
		}
	})
	bothCarriers(t, func(t *testing.T, carrier string) {
		for _, stage := range []string{"dial", "stream", "silent", "upload"} {
			t.Run(stage, func(t *testing.T) {
				address := up.URL
				if stage == "dial" {
					address = congested(t)
				}
				g := through(t, carrier, address)
				body, sending := io.Pipe()
				method, source := "GET", io.Reader(nil)
				if stage == "upload" {
					method, source = "POST", body
					go func() { _, _ = io.WriteString(sending, "some") }()
				}
				r, _ := http.NewRequestWithContext(t.Context(), method, g.URL+"/s/"+stage, source)
				ended := make(chan error, 1)
				go func() {
					answer, err := g.client.Do(r)
					if err == nil {
						_, err = io.Copy(io.Discard, answer.Body)
						_ = answer.Body.Close()
						if answer.Header.Get("Ottogate-Error") == string(problem.ShuttingDown) {
							err = problem.New(problem.ShuttingDown, "as it says")
						}
					}
					ended <- err
				}()
				time.Sleep(50 * time.Millisecond)
				begun := time.Now()
				_ = g.pool.Close()
				if took := time.Since(begun); took > 500*time.Millisecond {
					t.Errorf("Close took %v", took)
				}
				_ = sending.CloseWithError(io.ErrClosedPipe)
				if err := <-ended; err == nil {
					t.Error("the call looked whole")
				} else if stage == "dial" || stage == "silent" {
					if problem.From(err).Code != problem.ShuttingDown {
						t.Errorf("the caller was told %v", err)
					}
				}
			})
		}
	})
}

// Whoever ends a request's context, for example to drain, ends its stream at
// once and its wait with the reason that he gives.
func TestEndOfTheContextCutsAndTellsItsCause(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			_, _ = io.WriteString(w, "begun")
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	})
	bothCarriers(t, func(t *testing.T, carrier string) {
		g := through(t, carrier, up.URL)
		reason := problem.New(problem.ShuttingDown, "draining")
		g.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, end := context.WithCancelCause(r.Context())
			timer := time.AfterFunc(50*time.Millisecond, func() { end(reason) })
			defer timer.Stop()
			g.ServeHTTP(w, r.WithContext(ctx))
		})
		begun := time.Now()
		answer, _ := g.do(t, "POST", "/silent", nil)
		expect(t, answer, problem.ShuttingDown)
		if !g.failed.Load().Unknown || reason.Unknown {
			t.Errorf("unknown: this call %v, every call %v", g.failed.Load().Unknown, reason.Unknown)
		}
		answer, err := g.client.Get(g.URL + "/s/stream")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if _, err := io.ReadAll(answer.Body); err == nil {
			t.Error("the cut stream looked whole")
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestSecureAndHTTP2Upstreams(t *testing.T) {
	for _, protocol := range []string{"http1", "h2", "h2c"} {
		t.Run(protocol, func(t *testing.T) {
			var proto string
			up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				proto = r.Proto
				w.Header().Set("Trailer", "Grpc-Status")
				_, _ = io.Copy(w, r.Body)
				w.Header().Set("Grpc-Status", "0")
			}))
			t.Cleanup(up.Close)
			service := Service{Protocol: protocol}
			if protocol == "h2c" {
				up.Config.Protocols = new(http.Protocols)
				up.Config.Protocols.SetUnencryptedHTTP2(true)
				up.Start()
			} else {
				up.EnableHTTP2 = protocol == "h2"
				up.StartTLS()
				roots := x509.NewCertPool()
				roots.AddCert(up.Certificate())
				service.TLS = &tls.Config{RootCAs: roots}
			}
			service.Endpoints = []string{up.URL}
			g := newGateway(t, map[string]Service{"s": service})
			answer, text := g.do(t, "POST", "/", strings.NewReader("hello"))
			if text != "hello" || answer.Trailer.Get("Grpc-Status") != "0" {
				t.Errorf("got %q, trailers %v, %v", text, answer.Trailer, g.failed.Load())
			}
			if want := map[string]string{"http1": "HTTP/1.1"}[protocol]; want != "" && proto != want || want == "" && proto != "HTTP/2.0" {
				t.Errorf("the upstream was spoken to in %s", proto)
			}
		})
	}
}

func TestUpstreamWithAnUnknownCertificateIsRefused(t *testing.T) {
	up := httptest.NewUnstartedServer(http.NotFoundHandler())
	up.Config.ErrorLog = nil
	up.StartTLS()
	t.Cleanup(up.Close)
	answer, _ := newGateway(t, map[string]Service{"s": {Endpoints: []string{up.URL}}}).do(t, "GET", "/", nil)
	expect(t, answer, problem.BadUpstream)
}

func TestHTTP2CallerStreamsThrough(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			in := bufio.NewReader(r.Body)
			w.Header().Set("Trailer", "X-Lines")
			lines := 0
			for ; ; lines++ {
				line, err := in.ReadString('\n')
				if err != nil {
					break
				}
				_, _ = io.WriteString(w, line)
				w.(http.Flusher).Flush()
			}
			w.Header().Set("X-Lines", fmt.Sprint(lines))
			w.Header().Set("X-Via", r.Header.Get("Via"))
		})
		g := through(t, carrier, up.URL)
		front := httptest.NewUnstartedServer(g)
		front.EnableHTTP2 = true
		front.StartTLS()
		defer front.Close()
		out, in := io.Pipe()
		r, _ := http.NewRequestWithContext(t.Context(), "POST", front.URL+"/s/", out)
		go func() { _, _ = io.WriteString(in, "a\n") }()
		answer, err := front.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		lines := bufio.NewReader(answer.Body)
		first, _ := lines.ReadString('\n')
		_, _ = io.WriteString(in, "b\n")
		_ = in.Close()
		rest, err := io.ReadAll(lines)
		if answer.ProtoMajor != 2 || first+string(rest) != "a\nb\n" || err != nil || answer.Trailer.Get("X-Lines") != "2" {
			t.Errorf("%s: got %q, %q, %v, trailers %v", answer.Proto, first, rest, err, answer.Trailer)
		}
	})
}
