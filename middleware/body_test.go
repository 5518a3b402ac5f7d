package middleware

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

// slowly sends a declared body of ten bytes in parts with pauses, and gives
// the answer's status line.
func slowly(t *testing.T, engine *gin.Engine, pause time.Duration, parts ...string) string {
	t.Helper()
	server := httptest.NewServer(engine)
	defer server.Close()
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(connection, "POST /v1/thing HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if _, err := fmt.Fprint(connection, part); err != nil {
			break // refused already
		}
		time.Sleep(pause)
	}
	status, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(status)
}

func TestASilentBodyIs408(t *testing.T) {
	engine := newEngine(outer(Limits(LimitsConfig{Body: 100, BodyIdle: 50 * time.Millisecond}))...)
	engine.POST("/v1/thing", Handle(echo))
	if got := slowly(t, engine, 0, "01234"); got != "HTTP/1.1 408 Request Timeout" {
		t.Errorf("got %s", got)
	}
}

func TestASlowBodyThatKeepsComingIsTaken(t *testing.T) {
	engine := newEngine(outer(Limits(LimitsConfig{Body: 100, BodyIdle: 200 * time.Millisecond}))...)
	engine.POST("/v1/thing", Handle(echo))
	if got := slowly(t, engine, 60*time.Millisecond, "01", "23", "45", "67", "89"); got != "HTTP/1.1 201 Created" {
		t.Errorf("got %s", got)
	}
}

func TestADrippingBodyMeetsTheDeadline(t *testing.T) {
	engine := newEngine(outer(Limits(LimitsConfig{Body: 100, BodyIdle: 200 * time.Millisecond, Request: 150 * time.Millisecond}), Deadline(false))...)
	engine.POST("/v1/thing", Handle(echo))
	if got := slowly(t, engine, 60*time.Millisecond, "01", "23", "45", "67", "89"); got != "HTTP/1.1 408 Request Timeout" {
		t.Errorf("got %s", got)
	}
}

func TestASilentBodyMeetsTheDeadline(t *testing.T) {
	engine := newEngine(outer(Limits(LimitsConfig{Body: 100, BodyIdle: time.Minute, Request: 100 * time.Millisecond}), Deadline(false))...)
	engine.POST("/v1/thing", Handle(echo))
	if got := slowly(t, engine, 0, "01"); got != "HTTP/1.1 408 Request Timeout" {
		t.Errorf("got %s", got)
	}
}

// To close a body is to look for its end, which an upstream client may do.
func TestABodyIsNotClosedForEver(t *testing.T) {
	engine := newEngine(outer(Limits(LimitsConfig{Body: 100, BodyIdle: 50 * time.Millisecond}))...)
	engine.POST("/v1/thing", Handle(func(c *gin.Context) error {
		_ = c.Request.Body.Close()
		return fine(c)
	}))
	if got := slowly(t, engine, 0, "01"); got != "HTTP/1.1 200 OK" {
		t.Errorf("got %s", got)
	}
}

func TestTheBodysTimeDoesNotEndTheRequest(t *testing.T) {
	engine := newEngine(outer(Limits(LimitsConfig{Body: 100, BodyIdle: 30 * time.Millisecond}))...)
	engine.POST("/v1/thing", Handle(func(c *gin.Context) error {
		if err := echo(c); err != nil {
			return err
		}
		select {
		case <-c.Request.Context().Done():
			return c.Request.Context().Err()
		case <-time.After(150 * time.Millisecond):
			return nil
		}
	}))
	server := httptest.NewServer(engine)
	defer server.Close()
	response, err := server.Client().Post(server.URL+"/v1/thing", "text/plain", strings.NewReader("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Errorf("got %s", response.Status)
	}
}

// A connection that is closed over what still comes takes the answer with it.
func TestTheLastAnswerIsNotLostToTheBody(t *testing.T) {
	engine := newEngine(outer(Limits(LimitsConfig{Body: 10, BodyIdle: time.Minute}))...)
	half := strings.Repeat("x", 50<<10)
	connection := connect(t, engine)
	if _, err := fmt.Fprintf(connection, "POST /v1/thing HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", 2*len(half), half); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if _, err := fmt.Fprint(connection, half); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(connection)
	if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 413 ") {
		t.Errorf("got %q, %v", text, err)
	}
}

// What is larger than the server likes to read may come no further, but the
// answer does. A client that fails to write looks no further for an answer.
func TestTheLastAnswerIsNotLostToALargeBody(t *testing.T) {
	server := httptest.NewServer(newEngine(outer(Limits(LimitsConfig{Body: 10, BodyIdle: time.Minute}))...))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	large := strings.Repeat("x", 8<<20)
	for range 10 {
		response, err := client.Post(server.URL+"/v1/thing", "text/plain", strings.NewReader(large))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("got %s", response.Status)
		}
	}
}
