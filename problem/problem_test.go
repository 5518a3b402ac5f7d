package problem_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ottogate/ottogate/problem"
)

func TestEveryCodeIsExplained(t *testing.T) {
	form := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	last := 0
	for _, kind := range problem.Kinds() {
		switch {
		case !form.MatchString(string(kind.Code)):
			t.Errorf("code %q has another form", kind.Code)
		case http.StatusText(kind.Status) == "" && kind.Status != 499:
			t.Errorf("%s has the status %d", kind.Code, kind.Status)
		case kind.Title == "" || !strings.HasSuffix(kind.Meaning, ".") || !strings.HasSuffix(kind.Advice, "."):
			t.Errorf("%s is not explained in sentences", kind.Code)
		case kind.Status < last:
			t.Errorf("%s breaks the order of statuses", kind.Code)
		}
		last = kind.Status
		if found, ok := problem.Lookup(string(kind.Code)); !ok || found != kind {
			t.Errorf("%s is in the table twice", kind.Code)
		}
	}
	if problem.KindOf("made-up").Code != problem.Internal {
		t.Error("a code outside the set is not internal")
	}
}

func TestFromClassifies(t *testing.T) {
	known := problem.New(problem.LockHeld, "held")
	cases := map[problem.Code]error{
		problem.LockHeld:         fmt.Errorf("around: %w", known),
		problem.DeadlineExceeded: fmt.Errorf("around: %w", context.DeadlineExceeded),
		problem.ClientClosed:     context.Canceled,
		problem.Internal:         errors.New("anything"),
		"":                       nil,
	}
	for want, err := range cases {
		if got := problem.CodeOf(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}

func TestWriteSaysAllThatACallerNeeds(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("ETag", `"of the value that is not sent"`)
	err := &problem.Error{
		Code: problem.Unavailable, Detail: "redis is down", Err: errors.New("dial 10.0.0.1"), RetryAfter: 1200 * time.Millisecond,
		Unknown: true, ETag: "abc", Fields: []problem.Field{{Pointer: "/a", Detail: "b"}},
	}
	problem.Write(w, err, "id-1")
	const want = `{"type":"/problems/backend-unavailable","title":"Backend unavailable","status":503,"detail":"redis is down","code":"backend-unavailable",` +
		`"requestId":"id-1","retriable":true,"retryAfterMs":1200,"outcome":"unknown","etag":"abc","errors":[{"pointer":"/a","detail":"b"}]}`
	if w.Code != 503 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for name, value := range map[string]string{"Content-Type": problem.ContentType, "Retry-After": "2", "Ottogate-Error": "backend-unavailable", "ETag": ""} {
		if got := w.Header().Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

// A 503 names a time, whoever made it.
func TestEvery503NamesATime(t *testing.T) {
	for _, kind := range problem.Kinds() {
		w := httptest.NewRecorder()
		problem.Write(w, problem.New(kind.Code, "x"), "")
		if got := w.Header().Get("Retry-After"); (got != "") != (kind.Status == 503) {
			t.Errorf("%s: Retry-After %q", kind.Code, got)
		}
	}
}

func TestInternalTextStaysInside(t *testing.T) {
	for _, err := range []error{errors.New("secret"), problem.Wrap(problem.Internal, errors.New("secret"), "secret"), problem.Wrap(problem.BadBackend, errors.New("secret"), "odd")} {
		text, marshalErr := json.Marshal(problem.DocumentOf(err, ""))
		if marshalErr != nil || strings.Contains(string(text), "secret") {
			t.Errorf("%s %v", text, marshalErr)
		}
	}
}
