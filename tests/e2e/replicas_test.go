package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// Whatever one replica began, another goes on with: no replica owns anything.
func TestStatelessReplicas(t *testing.T) {
	a, b := start(t, settings{}), start(t, settings{})
	createTopic(t, "e2e.stateless")

	etag := a.do("PUT", "/v1/state/main/stateless", "1").want(t, 204).header.Get("ETag")
	fence := fenceOf(t, a.do("POST", "/v1/lock/main/stateless", `{"owner":"me","ttl":"20s"}`).want(t, 200))
	first := a.do("POST", "/v1/sequence/main/stateless", "").want(t, 200)
	for i := range 5 {
		a.do("POST", "/v1/publish/events/e2e.stateless", fmt.Sprint(i)).want(t, 200)
	}
	page := pageOf(t, a.do("GET", "/v1/subscribe/events/e2e.stateless?from=earliest&max=2&wait=5s", "").want(t, 200))
	a.stop()

	b.do("PUT", "/v1/state/main/stateless", "2", "If-Match", etag).want(t, 204)
	b.do("PUT", "/v1/state/main/stateless", "3", "If-Match", etag).wantProblem(t, 412, "precondition-failed")
	if renewed := fenceOf(t, b.do("PUT", "/v1/lock/main/stateless", `{"owner":"me","ttl":"20s"}`).want(t, 200)); renewed != fence {
		t.Errorf("renewed fence %s, want %s", renewed, fence)
	}
	if next := b.do("POST", "/v1/sequence/main/stateless", "").want(t, 200); next.body == first.body {
		t.Errorf("the sequence repeats %s", next.body)
	}
	rest := pageOf(t, b.do("GET", "/v1/subscribe/events/e2e.stateless?wait=5s&cursor="+page.Cursor, "").want(t, 200))
	if got := len(page.Messages) + len(rest.Messages); got != 5 {
		t.Errorf("%d messages over both replicas, want 5", got)
	}

	c := start(t, settings{})
	b.stop()
	c.do("DELETE", "/v1/lock/main/stateless?owner=me", "").want(t, 204)
	if got := c.do("GET", "/v1/state/main/stateless", "").want(t, 200); got.body != "2" {
		t.Errorf("state is %q", got.body)
	}
	if next := fenceOf(t, c.do("POST", "/v1/lock/main/stateless", `{"owner":"other","ttl":"1s"}`).want(t, 200)); next <= fence {
		t.Errorf("fence %s after %s", next, fence)
	}
}

func fenceOf(t *testing.T, a answer) string {
	t.Helper()
	var lock struct{ Fence string }
	if err := json.Unmarshal([]byte(a.body), &lock); err != nil || lock.Fence == "" {
		t.Fatalf("%v: %s", err, a.body)
	}
	return fmt.Sprintf("%020s", lock.Fence)
}

// A stream that is cut resumes on another replica without a gap, also when it
// was cut before its first event.
func TestStreamResumesOnAnotherReplica(t *testing.T) {
	a, b := start(t, settings{}), start(t, settings{})
	createTopic(t, "e2e.resume")

	stream := a.open("GET", "/v1/subscribe/events/e2e.resume?from=latest", "", "Accept", "text/event-stream")
	events := newEvents(stream.Body)
	hello := events.next(t) // the first block only tells where the stream begins
	if hello.id == "" || stream.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("stream began with %+v %v", hello, stream.Header)
	}
	stream.Body.Close()
	a.stop()

	for i := range 4 {
		b.do("POST", "/v1/publish/events/e2e.resume?key=k", fmt.Sprint(i)).want(t, 200)
	}
	stream = b.open("GET", "/v1/subscribe/events/e2e.resume", "", "Accept", "text/event-stream", "Last-Event-ID", hello.id)
	events = newEvents(stream.Body)
	events.next(t)
	var last string
	for i := range 2 {
		last = wantData(t, events.next(t), i).id
	}
	stream.Body.Close()

	stream = b.open("GET", "/v1/subscribe/events/e2e.resume", "", "Accept", "text/event-stream", "Last-Event-ID", last)
	defer stream.Body.Close()
	events = newEvents(stream.Body)
	events.next(t)
	for i := 2; i < 4; i++ {
		wantData(t, events.next(t), i)
	}
}

func wantData(t *testing.T, e event, want int) event {
	t.Helper()
	if !strings.Contains(e.data, fmt.Sprintf(`"data":%d`, want)) {
		t.Fatalf("event %+v, want the data %d", e, want)
	}
	return e
}

// event is one block of a stream.
type event struct{ id, name, data string }

type events struct{ lines *bufio.Scanner }

func newEvents(body io.Reader) *events {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	return &events{lines}
}

// next reads one block; comments are passed over.
func (s *events) next(t *testing.T) event {
	t.Helper()
	var e event
	for s.lines.Scan() {
		name, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e != (event{}) {
				return e
			}
		}
	}
	t.Fatalf("the stream ended: %v", s.lines.Err())
	return e
}

// A replica that is told to stop ends its streams and finishes its calls.
func TestDrain(t *testing.T) {
	r := start(t, settings{})
	stream := r.open("GET", "/v1/config/apollo/application", "", "Accept", "text/event-stream")
	newEvents(stream.Body).next(t)
	slow := make(chan answer, 1)
	go func() { slow <- r.do("GET", "/v1/invoke/echo/delay/700ms", "") }()
	time.Sleep(200 * time.Millisecond) // the call is under way
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the drain took %s", took)
	}
	if got := <-slow; got.status != 200 {
		t.Errorf("the call under way got %d %s", got.status, got.body)
	}
	if _, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("the stream ended with %v", err)
	}
}
