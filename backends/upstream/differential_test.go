package upstream

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// canned is an answer as bytes on the wire. Both carriers get each of them;
// where the own client is stricter, or the reference takes what HTTP forbids,
// that is said here and nowhere else.
type canned struct {
	name   string
	method string // GET when empty
	wire   string
	want   string // "status|body", "refused" (502), or "cut" (aborted after the head)

	reference string // what the reference does, where it differs
	surplus   bool   // bytes follow the end of the answer: once they come late, no client can tell them from the next answer
}

var corpus = []canned{
	// Good answers.
	{name: "length", wire: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", want: "200|hello"},
	{name: "no reason", wire: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", want: "200|"},
	{name: "empty reason", wire: "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", want: "200|"},
	{name: "chunks", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", want: "200|hello"},
	{name: "chunks in capitals", wire: "HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", want: "200|0123456789"},
	{name: "chunk extension", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0;x\r\n\r\n", want: "200|hello"},
	{name: "trailers", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: 1\r\n\r\n", want: "200|hello"},
	{name: "until close", wire: "HTTP/1.1 200 OK\r\n\r\nhello", want: "200|hello"},
	{name: "until close, old", wire: "HTTP/1.0 200 OK\r\n\r\nhello", want: "200|hello"},
	{name: "old with length", wire: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", want: "200|hello"},
	{name: "no content", wire: "HTTP/1.1 204 No Content\r\n\r\n", want: "204|"},
	{name: "not modified with length", wire: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: \"a\"\r\n\r\n", want: "304|"},
	{name: "head", method: "HEAD", wire: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", want: "200|"},
	{name: "interim", wire: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", want: "200|ok"},
	{name: "unasked continue", wire: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", want: "200|ok"},
	{name: "spaces around values", wire: "HTTP/1.1 200 OK\r\nContent-Length:\t 2 \r\nX-A:b\r\n\r\nok", want: "200|ok"},
	{name: "latin value", wire: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: caf\xe9\r\n\r\nok", want: "200|ok"},
	{name: "status 999", wire: "HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok", want: "999|ok"},
	{name: "large head", wire: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: " + strings.Repeat("a", 20_000) + "\r\n\r\nok", want: "200|ok"},
	{name: "more than declared", wire: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", want: "200|ok", surplus: true},
	{name: "body behind 204", wire: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", want: "204|", surplus: true},
	{name: "body behind 304", wire: "HTTP/1.1 304 Not Modified\r\n\r\nhello", want: "304|", surplus: true},

	// Ambiguous or broken heads.
	{name: "bare line feeds", wire: "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", want: "refused", reference: "200|ok"},
	{name: "one bare line feed", wire: "HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 2\r\n\r\nok", want: "refused", reference: "200|ok"},
	{name: "bare carriage return", wire: "HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\nContent-Length: 2\r\n\r\nok", want: "refused"},
	{name: "zero byte", wire: "HTTP/1.1 200 OK\r\nX-A: b\x00c\r\nContent-Length: 2\r\n\r\nok", want: "refused"},
	{name: "folded field", wire: "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok", want: "refused", reference: "200|ok"},
	{name: "folded first field", wire: "HTTP/1.1 200 OK\r\n X-A: b\r\nContent-Length: 2\r\n\r\nok", want: "refused"},
	{name: "space before colon", wire: "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", want: "refused", reference: "200|ok"},
	{name: "no colon", wire: "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok", want: "refused"},
	{name: "empty name", wire: "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\nok", want: "refused"},
	{name: "other protocol", wire: "SSH-2.0-OpenSSH_9.2\r\n", want: "refused"},
	{name: "version 2", wire: "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", want: "refused", reference: "200|ok"},
	{name: "version 1.9", wire: "HTTP/1.9 200 OK\r\nContent-Length: 2\r\n\r\nok", want: "refused", reference: "200|ok"},
	{name: "short status", wire: "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok", want: "refused"},
	{name: "long status", wire: "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok", want: "refused"},
	{name: "signed status", wire: "HTTP/1.1 +20 OK\r\nContent-Length: 2\r\n\r\nok", want: "refused"},
	{name: "status 099", wire: "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok", want: "refused"},
	{name: "nothing", wire: "", want: "refused"},
	{name: "half a head", wire: "HTTP/1.1 200 OK\r\nContent-Le", want: "refused"},
	{name: "flood of fields", wire: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: b\r\n", 5000) + "\r\n", want: "refused", reference: "200|"},
	{name: "endless head", wire: "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 200_000), want: "refused"},
	{name: "endless interim", wire: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 1000), want: "refused"},
	{name: "upgrade nobody asked for", wire: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", want: "refused"},

	// Framing.
	{name: "two lengths", wire: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhello", want: "refused"},
	{name: "same length twice", wire: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", want: "refused", reference: "200|ok"},
	{name: "list of lengths", wire: "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", want: "refused"},
	{name: "signed length", wire: "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", want: "refused"},
	{name: "negative length", wire: "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", want: "refused"},
	{name: "hex length", wire: "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok", want: "refused"},
	{name: "huge length", wire: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok", want: "refused"},
	{name: "empty length", wire: "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", want: "refused"},
	{name: "length and chunks", wire: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", want: "refused", reference: "200|ok"},
	{name: "chunks twice", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", want: "refused"},
	{name: "gzip, chunked", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", want: "refused"},
	{name: "xchunked", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", want: "refused"},
	{name: "chunks in HTTP/1.0", wire: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", want: "refused", reference: "200|2\r\nok\r\n0\r\n\r\n"},
	{name: "less than declared", wire: "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", want: "cut"},
	{name: "chunks without end", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", want: "cut"},
	{name: "chunk cut", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello", want: "cut"},
	{name: "bad chunk size", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", want: "cut"},
	{name: "signed chunk size", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", want: "cut"},
	{name: "prefixed chunk size", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", want: "cut"},
	{name: "huge chunk size", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n", want: "cut"},
	{name: "empty chunk size", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", want: "cut"},
	{name: "chunk longer than its size", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", want: "cut"},
	{name: "chunk with bare line feeds", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n", want: "cut", reference: "any"},
	{name: "line feed in chunk extension", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n", want: "cut", reference: "any"},
	{name: "space in chunk size", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", want: "cut", reference: "200|hello"},
	{name: "endless chunk extension", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("a", 100_000) + "\r\nhello\r\n0\r\n\r\n", want: "cut"},
	{name: "bad trailer", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nnonsense\r\n\r\n", want: "cut"},
	{name: "endless trailers", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n" + strings.Repeat("X-A: b\r\n", 50_000), want: "cut"},
}

func TestCannedAnswers(t *testing.T) {
	for _, c := range corpus {
		t.Run(c.name, func(t *testing.T) {
			bothCarriers(t, func(t *testing.T, carrier string) {
				want := c.want
				if carrier == "reference" && c.reference != "" {
					want = c.reference
				}
				for _, size := range []int{1 << 20, 1} { // in one piece, and byte by byte
					if size == 1 && (c.surplus || len(c.wire) > 1000) {
						continue
					}
					got, connections := receive(t, carrier, c, size)
					if got != want && want != "any" {
						t.Errorf("in pieces of %d: got %.80q, want %q", size, got, want)
					}
					if carrier == "direct" && (want == "refused" || want == "cut") && connections < 2 {
						t.Error("a connection with a broken answer was used again")
					}
				}
			})
		})
	}
}

// receive fetches a canned answer, then another through the same gateway, and
// tells what the first came to and how many connections both took.
func receive(t *testing.T, carrier string, c canned, size int) (got string, connections int) {
	t.Helper()
	accepted := make(chan struct{}, 100)
	up := rawUpstream(t, func(conn net.Conn, in *bufio.Reader) {
		accepted <- struct{}{}
		for {
			r, err := readRequest(in)
			if err != nil {
				return
			}
			if strings.HasSuffix(r.URL.Path, "/second") {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")
				continue
			}
			for rest := c.wire; rest != ""; rest = rest[min(size, len(rest)):] {
				if _, err := io.WriteString(conn, rest[:min(size, len(rest))]); err != nil {
					return
				}
			}
			if strings.Contains(c.wire, "Content-Length: 5\r\n\r\nhello") && c.want == "200|hello" {
				continue // a connection that may be kept
			}
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	})
	g := through(t, carrier, up)
	method := c.method
	if method == "" {
		method = "GET"
	}
	got = outcome(t, g, method)
	if _, text := g.do(t, "GET", "/second", nil); text != "second" && !(c.surplus && carrier == "reference") {
		t.Errorf("the next request got %.80q", text)
	}
	return got, len(accepted)
}

func outcome(t *testing.T, g *gateway, method string) string {
	r, _ := http.NewRequestWithContext(t.Context(), method, g.URL+"/s/", nil)
	g.client.Timeout = 5 * time.Second
	answer, err := g.client.Do(r)
	if err != nil {
		return "cut" // nothing of the head had left the gateway's buffer yet
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case answer.Header.Get("Ottogate-Error") == "bad-upstream":
		return "refused"
	case err != nil:
		return "cut"
	}
	return fmt.Sprintf("%d|%s", answer.StatusCode, text)
}

// A connection whose answer was broken, or ended where nobody can say, must not
// carry another request, however open the upstream leaves it; and what is
// wrong is refused when it is seen, not when the deadline passes.
func TestDoubtfulAnswerSpoilsItsConnection(t *testing.T) {
	for _, wire := range []string{
		"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
		"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
		"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
	} {
		opened := make(chan struct{}, 10)
		up := rawUpstream(t, func(c net.Conn, in *bufio.Reader) {
			opened <- struct{}{}
			for {
				r, err := readRequest(in)
				if err != nil {
					return
				}
				if strings.HasSuffix(r.URL.Path, "/second") {
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")
				} else {
					_, _ = io.WriteString(c, wire)
				}
			}
		})
		g := through(t, "direct", up)
		g.timeout = 10 * time.Second
		begun := time.Now()
		outcome(t, g, "GET")
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("%q took %v", wire, took)
		}
		if _, text := g.do(t, "GET", "/second", nil); text != "second" || len(opened) != 2 {
			t.Errorf("%q: then got %q over %d connections", wire, text, len(opened))
		}
	}
}

// Both carriers must agree on the headers of every answer that both take.
func TestCarriersAgreeOnHeaders(t *testing.T) {
	const wire = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\n" +
		"Keep-Alive: timeout=5\r\nVary: a\r\nx-lower: L\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nServer: old\r\nOttogate-App: forged\r\nEmpty:\r\n\r\nok"
	var seen []string
	bothCarriers(t, func(t *testing.T, carrier string) {
		up := rawUpstream(t, func(c net.Conn, in *bufio.Reader) {
			_, _ = readRequest(in)
			_, _ = io.WriteString(c, wire)
		})
		answer, _ := through(t, carrier, up).do(t, "GET", "/", nil)
		answer.Header.Del("Ottogate-Upstream") // its port differs
		if answer.Header.Get("X-Hop") != "" || answer.Header.Get("Keep-Alive") != "" || len(answer.Header["Set-Cookie"]) != 2 || answer.Header.Get("X-Lower") != "L" {
			t.Errorf("got %v", answer.Header)
		}
		seen = append(seen, fmt.Sprint(answer.Header))
	})
	if len(seen) == 2 && seen[0] != seen[1] {
		t.Errorf("direct    %s\nreference %s", seen[0], seen[1])
	}
}

func FuzzHead(f *testing.F) {
	for _, c := range corpus {
		if len(c.wire) < 2000 {
			f.Add(c.wire)
		}
	}
	f.Fuzz(func(t *testing.T, wire string) {
		b := &reader{}
		b.reset(strings.NewReader(wire))
		text, err := b.head(8 << 10)
		if err != nil {
			return
		}
		var h head
		if h.parse(text, "GET", 256) != nil {
			return
		}
		// Whatever the strict parser takes, net/http must frame the same way.
		theirs, err := http.ReadResponse(bufio.NewReader(strings.NewReader(wire)), &http.Request{Method: "GET"})
		if err != nil {
			return // stricter than we are: nothing to disagree on
		}
		length := h.length
		if h.bodiless {
			length = 0
		}
		if h.chunked && !h.bodiless {
			length = -1
		}
		if theirs.StatusCode != h.status || theirs.ContentLength != length {
			t.Errorf("%q: %d of %d, net/http says %d of %d", wire, h.status, length, theirs.StatusCode, theirs.ContentLength)
		}
	})
}
