package devstack

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func startEcho(t *testing.T) *Echo {
	t.Helper()
	e, err := StartEcho(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	return e
}

func fetch(t *testing.T, method, url, body string) (*http.Response, string) {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	r.Header.Add("X-Twice", "1")
	r.Header.Add("X-Twice", "2")
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func TestEchoAnswersWithWhatItReceived(t *testing.T) {
	e := startEcho(t)
	_, text := fetch(t, "PATCH", e.URL()+"/a%2Fb//c?x=1&x=2", "hello")
	var got echoed
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.Method != "PATCH" || got.Path != "/a%2Fb//c" || got.Query != "x=1&x=2" || got.Body != "hello" {
		t.Errorf("got %+v", got)
	}
	if twice := got.Headers["X-Twice"]; len(twice) != 2 || twice[1] != "2" {
		t.Errorf("repeated header came as %v", twice)
	}
	_, text = fetch(t, "POST", e.URL()+"/", "\xff\x00")
	if !strings.Contains(text, `"bodyBase64":"/wA="`) {
		t.Errorf("binary body came as %s", text)
	}
}

func TestEchoStatusDelayBytesHeaders(t *testing.T) {
	e := startEcho(t)
	for path, want := range map[string]int{"/status/418": 418, "/status/204": 204, "/status/99": 400, "/delay/x": 400, "/bytes/-1": 400} {
		if answer, _ := fetch(t, "GET", e.URL()+path, ""); answer.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, answer.StatusCode, want)
		}
	}
	begun := time.Now()
	if fetch(t, "GET", e.URL()+"/delay/50ms", ""); time.Since(begun) < 50*time.Millisecond {
		t.Error("the delay was too short")
	}
	if answer, text := fetch(t, "GET", e.URL()+"/bytes/100000", ""); answer.ContentLength != 100000 || len(text) != 100000 {
		t.Errorf("got %d of %d bytes", len(text), answer.ContentLength)
	}
	if _, text := fetch(t, "GET", e.URL()+"/headers", ""); !strings.Contains(text, `"X-Twice":["1","2"]`) {
		t.Errorf("headers: %s", text)
	}
}

func TestEchoTicks(t *testing.T) {
	e := startEcho(t)
	if _, text := fetch(t, "GET", e.URL()+"/sse?every=1ms&count=3", ""); strings.Count(text, "event: tick") != 3 {
		t.Errorf("got %q", text)
	}
	r, _ := http.NewRequestWithContext(t.Context(), "GET", e.URL()+"/sse", nil)
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if line, err := bufio.NewReader(answer.Body).ReadString('\n'); line != "id: 1\n" {
		t.Errorf("first line %q, %v", line, err)
	}
}

func TestEchoFrames(t *testing.T) {
	e := startEcho(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, e.URL()+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.CloseNow()
	if err := socket.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := socket.Read(ctx); string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
}
