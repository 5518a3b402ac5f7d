package middleware

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/problem"
)

// narrow accepts connections whose buffers hold little, so that a reader that
// pauses is soon felt.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	connection, err := n.Listener.Accept()
	if err == nil {
		err = connection.(*net.TCPConn).SetWriteBuffer(8 << 10)
	}
	return connection, err
}

// connect serves engine through a narrow listener and connects to it.
func connect(t *testing.T, engine *gin.Engine) *net.TCPConn {
	t.Helper()
	server := httptest.NewUnstartedServer(engine)
	server.Listener = narrow{server.Listener}
	server.Start()
	t.Cleanup(server.Close)
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	tcp := connection.(*net.TCPConn)
	if err := errors.Join(tcp.SetReadBuffer(32<<10), tcp.SetDeadline(time.Now().Add(10*time.Second))); err != nil {
		t.Fatal(err)
	}
	return tcp
}

// large is an answer that takes many pieces.
const large = 2 << 20

// sender answers with all of it, and tells how its write ended.
func sender(idle time.Duration) (*gin.Engine, <-chan error) {
	ended := make(chan error, 1)
	engine := newEngine(outer(Limits(LimitsConfig{BodyIdle: idle}))...)
	engine.GET("/v1/thing", Handle(func(c *gin.Context) error {
		_, err := c.Writer.WriteString(strings.Repeat("x", large))
		ended <- err
		return err
	}))
	return engine, ended
}

const askForThing = "GET /v1/thing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

func TestAnAnswerThatNobodyReadsEnds(t *testing.T) {
	engine, ended := sender(200 * time.Millisecond)
	connection := connect(t, engine)
	if _, err := fmt.Fprint(connection, askForThing); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the write ended with %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the write goes on")
	}
}

func TestAnAnswerThatIsReadSlowlyIsWhole(t *testing.T) {
	const patience = 300 * time.Millisecond
	engine, ended := sender(patience)
	connection := connect(t, engine)
	start := time.Now()
	if _, err := fmt.Fprint(connection, askForThing); err != nil {
		t.Fatal(err)
	}
	total := 0
	for piece := make([]byte, 32<<10); ; time.Sleep(10 * time.Millisecond) {
		n, err := io.ReadFull(connection, piece)
		if total += n; err != nil {
			break
		}
	}
	if err := <-ended; err != nil || total < large {
		t.Errorf("the write ended with %v, %d bytes came", err, total)
	}
	if took := time.Since(start); took < 2*patience {
		t.Errorf("all was read in %v, which shows nothing", took)
	}
}

// Small answers are written when the chain has ended.
func TestAPipelineWhoseAnswersNobodyReadsEnds(t *testing.T) {
	engine := newEngine(outer(Limits(LimitsConfig{BodyIdle: 200 * time.Millisecond}))...)
	engine.GET("/v1/invoke/:service", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	connection := connect(t, engine)
	request := strings.Repeat("GET /v1/invoke/a HTTP/1.1\r\nHost: x\r\n\r\n", 100)
	var err error
	for end := time.Now().Add(5 * time.Second); err == nil && time.Now().Before(end); {
		_, err = fmt.Fprint(connection, request)
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is still there: %v", err)
	}
}

func TestABodyThatNeverComesDelaysNoRefusal(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	engine := newEngine(outer(Limits(LimitsConfig{InFlight: 1, BodyIdle: time.Minute}))...)
	engine.POST("/v1/thing", Handle(fine))
	engine.GET("/v1/slow", Handle(func(c *gin.Context) error {
		inside <- struct{}{}
		<-leave
		return fine(c)
	}))
	go do(engine, "GET", "/v1/slow", http.NoBody)
	<-inside
	defer close(leave)
	connection := connect(t, engine)
	if _, err := fmt.Fprint(connection, "POST /v1/thing HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.Header.Get("Ottogate-Error") != string(problem.Overloaded) || !response.Close || time.Since(start) > 2*drainPatience {
		t.Errorf("%s %v after %v", response.Status, response.Header, time.Since(start))
	}
}
