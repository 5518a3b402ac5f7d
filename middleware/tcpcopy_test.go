package middleware

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/capture"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// keeper records everything in memory.
type keeper struct {
	mu   sync.Mutex
	all  []capture.Exchange
	none bool
}

func (k *keeper) Sampled(*request.Info, *http.Request) bool { return !k.none }
func (k *keeper) BodyLimit() int                            { return 4 }
func (k *keeper) Record(exchange capture.Exchange) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, exchange)
}

func echo(c *gin.Context) error {
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		return err
	}
	c.Request.Header.Set("X-Added", "later")
	c.Data(http.StatusCreated, "text/plain", body)
	return nil
}

func TestAnExchangeIsRecordedAsItPassed(t *testing.T) {
	recorder := &keeper{}
	engine := newEngine(outer(Limits(LimitsConfig{}), TCPCopy(recorder))...)
	engine.POST("/v1/thing/*key", Handle(echo))
	w := do(engine, "POST", "/v1/thing/a%2Fb?x=1", strings.NewReader("123456"), "X-Given", "yes")
	if w.Code != http.StatusCreated || w.Body.String() != "123456" {
		t.Fatalf("answered %d %q", w.Code, w.Body)
	}
	if len(recorder.all) != 1 {
		t.Fatalf("%d exchanges", len(recorder.all))
	}
	got := recorder.all[0]
	if got.Method != "POST" || got.Path != "/v1/thing/a%2Fb" || got.Query != "x=1" || got.Status != http.StatusCreated || got.RequestID == "" {
		t.Errorf("got %+v", got)
	}
	if string(got.Body) != "1234" || got.BodySize != 6 || string(got.ResponseBody) != "1234" || got.ResponseSize != 6 {
		t.Errorf("bodies %q of %d, %q of %d", got.Body, got.BodySize, got.ResponseBody, got.ResponseSize)
	}
	if got.Header.Get("X-Given") != "yes" || got.Header.Get("X-Added") != "" || got.ResponseHeader.Get("Content-Type") != "text/plain" {
		t.Errorf("headers %v, %v", got.Header, got.ResponseHeader)
	}
}

func TestAProblemIsRecordedToo(t *testing.T) {
	recorder := &keeper{}
	engine := newEngine(outer(TCPCopy(recorder))...)
	engine.GET("/v1/thing", Handle(func(*gin.Context) error { return problem.New(problem.NoSuchKey, "nothing") }))
	w := get(engine)
	if len(recorder.all) != 1 || recorder.all[0].Status != http.StatusNotFound || recorder.all[0].ResponseSize != int64(w.Body.Len()) {
		t.Errorf("got %+v", recorder.all)
	}
}

func TestARequestWithoutABodyKeepsNone(t *testing.T) {
	engine := newEngine(outer(Limits(LimitsConfig{Body: 10}), TCPCopy(&keeper{}))...)
	engine.GET("/v1/thing", Handle(func(c *gin.Context) error {
		if c.Request.Body != http.NoBody {
			return problem.New(problem.Internal, "a body has appeared")
		}
		return fine(c)
	}))
	if w := get(engine); w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestABodyMayBeReadAfterTheAnswer(t *testing.T) {
	recorder, late := &keeper{}, make(chan error, 1)
	engine := newEngine(outer(Limits(LimitsConfig{BodyIdle: time.Second}), TCPCopy(recorder))...)
	engine.POST("/v1/thing", Handle(func(c *gin.Context) error {
		body := c.Request.Body
		go func() {
			_, err := io.Copy(io.Discard, body)
			late <- err
		}()
		return fine(c)
	}))
	do(engine, "POST", "/v1/thing", undeclared{strings.NewReader(strings.Repeat("x", 1<<20))})
	if err := <-late; err != nil || len(recorder.all) != 1 {
		t.Errorf("%v, %d exchanges", err, len(recorder.all))
	}
}

func TestWhatIsNotSampledIsNotTouched(t *testing.T) {
	recorder := &keeper{none: true}
	engine := newEngine(outer(TCPCopy(recorder))...)
	engine.GET("/v1/thing", Handle(func(c *gin.Context) error {
		if _, copying := c.Writer.(*copyingWriter); copying {
			return problem.New(problem.Internal, "the answer is copied")
		}
		return fine(c)
	}))
	if w := get(engine); w.Code != http.StatusOK || len(recorder.all) != 0 {
		t.Errorf("got %d, %d exchanges", w.Code, len(recorder.all))
	}
}

func TestARecorderThatIsOffSamplesNothing(t *testing.T) {
	engine := newEngine(outer(TCPCopy((*capture.Recorder)(nil)))...)
	engine.GET("/v1/thing", Handle(fine))
	if w := get(engine); w.Code != http.StatusOK {
		t.Errorf("got %d", w.Code)
	}
}
