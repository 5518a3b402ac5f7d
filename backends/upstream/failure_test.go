package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ottogate/ottogate/problem"
)

// refusing is an address that refuses connections for as long as the test
// runs: a socket that is bound, so that nobody else gets the port, and does
// not listen.
func refusing(t *testing.T) string {
	t.Helper()
	_, address := boundSocket(t)
	return "http://" + address
}

// congested is an address where connections neither come about nor fail: a
// socket whose queue is full and from which nobody takes.
func congested(t *testing.T) string {
	t.Helper()
	fd, address := boundSocket(t)
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 16 {
		c, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return "http://" + address
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the queue does not fill")
	return ""
}

// boundSocket is a socket on a loopback port of its own that does not listen.
func boundSocket(t *testing.T) (fd int, address string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port)
}

func TestRefusedConnectionIsTriedElsewhere(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		var seen atomic.Int64
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			seen.Add(1)
			_, _ = io.Copy(w, r.Body)
		})
		g := through(t, carrier, refusing(t), up.URL)
		tries := map[string]int{}
		for i := range 100 {
			var body io.Reader = strings.NewReader("hello")
			if i%2 == 1 {
				body = io.MultiReader(body) // in chunks: not a byte of it was read when the connection failed
			}
			answer, text := g.do(t, "POST", "/", body)
			if answer.StatusCode != 200 || text != "hello" {
				t.Fatalf("call %d: %d %q", i, answer.StatusCode, text)
			}
			tries[answer.Header.Get("Ottogate-Attempts")]++
		}
		if seen.Load() != 100 || tries["1"] == 0 || tries["2"] == 0 {
			t.Errorf("the upstream saw %d requests; tries %v", seen.Load(), tries)
		}
	})
}

func TestNobodyReachable(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		g := through(t, carrier, refusing(t), refusing(t))
		answer, text := g.do(t, "POST", "/", strings.NewReader("hello"))
		expect(t, answer, problem.BadUpstream)
		if g.failed.Load().Unknown || strings.Contains(text, "127.0.0.1") || answer.Header.Get("Ottogate-Attempts") != "2" {
			t.Errorf("got %s %v", text, answer.Header)
		}
	})
}

// A connection that the upstream closes whenever it likes must not cost a GET
// its answer.
func TestKeepAliveRaceGivesNoFailure(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := rawUpstream(t, func(c net.Conn, in *bufio.Reader) {
			for range 3 { // then it closes without having said so
				if _, err := readRequest(in); err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		})
		g := through(t, carrier, up)
		var calling sync.WaitGroup
		for range 8 {
			calling.Go(func() {
				for i := range 400 {
					if answer, text := g.do(t, "GET", "/", nil); answer.StatusCode != 200 || text != "ok" {
						t.Errorf("call %d: %d %q: %v", i, answer.StatusCode, text, g.failed.Load())
						return
					}
				}
			})
		}
		calling.Wait()
	})
}

// closesOnSecond answers one request per connection and closes on the second,
// after it has read it: it may have acted on it.
func closesOnSecond(t *testing.T, seen *atomic.Int64) string {
	return rawUpstream(t, func(c net.Conn, in *bufio.Reader) {
		for n := range 2 {
			if _, err := readRequest(in); err != nil {
				return
			}
			seen.Add(1)
			if n == 0 {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}
	})
}

func TestLostAnswerIsRepeatedOnlyWhereThatIsSafe(t *testing.T) {
	for _, c := range []struct {
		method, key string
		repeated    bool
	}{{"GET", "", true}, {"PUT", "", true}, {"DELETE", "", true}, {"POST", "", false}, {"PATCH", "", false}, {"POST", "k1", true}} {
		t.Run(c.method+c.key, func(t *testing.T) {
			var seen atomic.Int64
			g := through(t, "direct", closesOnSecond(t, &seen))
			send := func() *http.Response {
				var header []string
				if c.key != "" {
					header = []string{"Idempotency-Key", c.key}
				}
				answer, _ := g.do(t, c.method, "/", strings.NewReader("x"), header...)
				return answer
			}
			send()
			second := send()
			if c.repeated {
				if attempts := second.Header.Get("Ottogate-Attempts"); second.StatusCode != 200 || seen.Load() != 3 || attempts != "2" {
					t.Errorf("got %d after %d requests and %s attempts", second.StatusCode, seen.Load(), attempts)
				}
				return
			}
			expect(t, second, problem.BadUpstream)
			if seen.Load() != 2 || !g.failed.Load().Unknown {
				t.Errorf("%d requests, unknown=%v", seen.Load(), g.failed.Load().Unknown)
			}
		})
	}
}

// The Transport behind the reference sends again by itself.
func TestResendingOfTheReferenceIsCounted(t *testing.T) {
	var seen atomic.Int64
	g := through(t, "reference", closesOnSecond(t, &seen))
	for i, want := range []string{"1", "2"} {
		if answer, _ := g.do(t, "GET", "/", nil); answer.StatusCode != 200 || answer.Header.Get("Ottogate-Attempts") != want {
			t.Errorf("call %d: %d after %q attempts; the upstream saw %d", i, answer.StatusCode, answer.Header.Get("Ottogate-Attempts"), seen.Load())
		}
	}
}

// A write whose answer was lost stays of unknown outcome when the upstream
// cannot even be reached for the second try.
func TestLostAnswerStaysUnknownWhenTheResendIsRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		in := bufio.NewReader(c)
		_, _ = readRequest(in)
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		_, _ = readRequest(in)
		_ = listener.Close()
		_ = c.Close()
	}()
	g := through(t, "direct", "http://"+listener.Addr().String())
	g.do(t, "PUT", "/", strings.NewReader("x"))
	answer, _ := g.do(t, "PUT", "/", strings.NewReader("x"))
	expect(t, answer, problem.BadUpstream)
	if attempts := answer.Header.Get("Ottogate-Attempts"); !g.failed.Load().Unknown || attempts != "2" {
		t.Errorf("unknown=%v after %s attempts", g.failed.Load().Unknown, attempts)
	}
}

func TestDeadlineToHeaders(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		gone := make(chan struct{}, 10)
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			gone <- struct{}{}
		})
		g := through(t, carrier, up.URL)
		g.timeout = 150 * time.Millisecond
		for _, method := range []string{"GET", "OPTIONS", "PUT", "DELETE", "PATCH", "POST"} {
			begun := time.Now()
			answer, _ := g.do(t, method, "/", strings.NewReader("x"))
			expect(t, answer, problem.DeadlineExceeded)
			if took := time.Since(begun); took < 140*time.Millisecond || took > 600*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			if unknown := g.failed.Load().Unknown; unknown != (method != "GET" && method != "OPTIONS") {
				t.Errorf("%s: unknown=%v", method, unknown)
			}
			<-gone // the upstream learns of it
		}
	})
}

func TestServiceTimeoutAndPerTry(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for _, s := range []Service{{Timeout: 100 * time.Millisecond}, {Timeout: time.Minute, PerTry: 100 * time.Millisecond}} {
		s.Endpoints = []string{up.URL}
		begun := time.Now()
		answer, _ := newGateway(t, map[string]Service{"s": s}).do(t, "GET", "/", nil)
		expect(t, answer, problem.DeadlineExceeded)
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	}
}

func TestDeadlineEndsWithTheHeaders(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
			for range 6 {
				_, _ = io.WriteString(w, "tick\n")
				w.(http.Flusher).Flush()
				time.Sleep(250 * time.Millisecond)
			}
		})
		g := through(t, carrier, up.URL)
		g.timeout = 100 * time.Millisecond
		if _, text := g.do(t, "GET", "/", nil); strings.Count(text, "tick") != 6 {
			t.Errorf("got %q", text)
		}
	})
}

func TestPassedDeadlineReachesNobody(t *testing.T) {
	var seen atomic.Int64
	up := upstreamServer(t, func(http.ResponseWriter, *http.Request) { seen.Add(1) })
	g := through(t, "direct", up.URL)
	g.timeout = time.Nanosecond
	answer, _ := g.do(t, "POST", "/", strings.NewReader("x"))
	expect(t, answer, problem.DeadlineExceeded)
	if seen.Load() != 0 || g.failed.Load().Unknown {
		t.Errorf("the upstream saw %d", seen.Load())
	}
}

func TestSilentStreamIsCut(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	g := newGateway(t, map[string]Service{"s": {Endpoints: []string{up.URL}}}, func(p *Pool) { p.limits.silence = 50 * time.Millisecond })
	answer, err := g.client.Get(g.URL + "/s/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.ReadAll(answer.Body); err == nil {
		t.Error("the cut stream looked whole")
	}
}

func TestSlowSmallBodyMeetsTheDeadline(t *testing.T) {
	var seen atomic.Int64
	up := upstreamServer(t, func(http.ResponseWriter, *http.Request) { seen.Add(1) })
	g := through(t, "direct", up.URL)
	g.timeout = 100 * time.Millisecond
	c, err := net.Dial("tcp", g.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "POST /s/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel")
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	expect(t, answer, problem.DeadlineExceeded)
	if seen.Load() != 0 {
		t.Error("half a body reached the upstream")
	}
}

func TestTooLargeBodyIsTheCallersFault(t *testing.T) {
	up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	bothCarriers(t, func(t *testing.T, carrier string) {
		g := through(t, carrier, up.URL)
		g.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, 50_000)
			g.ServeHTTP(w, r)
		})
		answer, _ := g.do(t, "POST", "/", io.LimitReader(zeros{}, 100_000))
		expect(t, answer, problem.BodyTooLarge)
	})
}

func TestRoundRobinIsExact(t *testing.T) {
	var counts [3]atomic.Int64
	var addresses []string
	for i := range counts {
		addresses = append(addresses, upstreamServer(t, func(http.ResponseWriter, *http.Request) { counts[i].Add(1) }).URL)
	}
	g := newGateway(t, map[string]Service{"s": {Endpoints: addresses, Balance: "roundRobin"}})
	for range 300 {
		g.do(t, "GET", "/", nil)
	}
	for i := range counts {
		if n := counts[i].Load(); n != 100 {
			t.Errorf("endpoint %d got %d of 300", i, n)
		}
	}
}

func TestP2CAvoidsTheLoaded(t *testing.T) {
	endpoints := []*endpoint{{label: "busy"}, {label: "free"}}
	endpoints[0].load.Store(10)
	for range 100 {
		if got := (p2c{}).pick(endpoints); got.label != "free" {
			t.Fatal("it took the loaded one of two")
		}
	}
}

func TestOpenReportsEveryFault(t *testing.T) {
	_, err := Open(Config{Pseudonym: "not a token", Services: map[string]Service{
		"a": {Endpoints: []string{"10.0.0.1:80"}},
		"b": {Endpoints: []string{"http://h/path", "http://u:p@h", "http://"}},
		"c": {Endpoints: []string{"http://h"}, Balance: "ewma"},
		"d": {},
		"e": {Endpoints: []string{"http://h"}, Protocol: "h3"},
	}}, slog.New(slog.DiscardHandler))
	for _, part := range []string{"not a token", `"10.0.0.1:80"`, `"http://h/path"`, `"http://u:p@h"`, `"http://"`, `"ewma" is not built; there are p2c and roundRobin`, "no endpoints", `"h3"`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in %v", part, err)
		}
	}
}

func TestIdleConnectionsAreBoundedAndGrowOld(t *testing.T) {
	limits := defaultLimits()
	limits.idlePerHost = 2
	k := newKeep("unused", &limits)
	var ends []net.Conn
	for range 3 {
		near, far := net.Pipe()
		ends = append(ends, far)
		c := newConnection(near)
		k.adopt(c)
		k.put(c)
	}
	if len(k.idle) != 2 || len(k.active) != 0 {
		t.Errorf("%d idle, %d active", len(k.idle), len(k.active))
	}
	_ = ends[2].SetReadDeadline(time.Now().Add(time.Second))
	if _, err := ends[2].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the third was not closed: %v", err)
	}
	k.tidy(time.Now().Add(limits.idle + time.Second))
	if len(k.idle) != 0 {
		t.Errorf("%d are still idle", len(k.idle))
	}
	k.close()
	if k.adopt(newConnection(ends[0])) {
		t.Error("a closed keep took a connection")
	}
}

func TestUnaskedBytesSpoilAConnection(t *testing.T) {
	var opened atomic.Int64
	up := rawUpstream(t, func(c net.Conn, in *bufio.Reader) {
		n := opened.Add(1)
		for {
			if _, err := readRequest(in); err != nil {
				return
			}
			answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
			_, _ = io.WriteString(c, answer)
			time.Sleep(20 * time.Millisecond)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		}
	})
	g := through(t, "direct", up)
	for i := range 3 {
		if _, text := g.do(t, "GET", "/", nil); text != fmt.Sprint(i+1) {
			t.Errorf("call %d got %q", i, text)
		}
		time.Sleep(60 * time.Millisecond)
	}
}

func TestBodyLeftByADeadlineIsNotTheNextRequest(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := upstreamServer(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
		g := through(t, carrier, up.URL)
		g.timeout = 100 * time.Millisecond
		c, err := net.Dial("tcp", g.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(c, "POST /s/ HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nsome")
		in := bufio.NewReader(c)
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		expect(t, answer, problem.DeadlineExceeded)
		_, _ = io.WriteString(c, "GET /s/smuggled HTTP/1.1\r\nHost: h\r\n\r\n")
		if more, err := http.ReadResponse(in, nil); err == nil || !answer.Close {
			t.Errorf("the body was taken for a request: %v", more)
		}
	})
}
