package conformance

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/backends/redis"
	"github.com/ottogate/ottogate/problem"
)

// store is the subject of the state suite: values and their listing.
type store interface {
	backends.StateStore
	backends.Lister
}

func TestState(t *testing.T) { conform(t, stateDrivers(), stateChecks(), stateMutants()) }

func stateDrivers() []driver[store] {
	return []driver[store]{
		{"local", func(t *testing.T) (store, string) {
			db, version := openLocal(t)
			return db.State(), version
		}},
		{"redis", func(t *testing.T) (store, string) {
			conn, version := openRedis(t)
			return conn.State(redis.StateOptions{Encoding: redis.EncodingEnvelope}), version
		}},
	}
}

func stateChecks() []check[store] {
	return append([]check[store]{
		{"bytes and content type come back", stateRoundTrip},
		{"bytes 0 to 255 come back", stateAllBytes},
		{"number 9007199254740993 comes back", stateVerbatim("9007199254740993")},
		{"pi to 17 digits comes back", stateVerbatim("3.1415926535897932")},
		{"nested 19-digit id comes back", stateVerbatim(`{"order": {"id":1234567890123456789, "total": 1.10}}`)},
		{"value of 4 MiB comes back", stateLargeValue},
		{"content types of all kinds come back", stateContentTypes},
		{"absent is not empty", stateAbsentIsNotEmpty},
		{"delete, and delete again", stateDeleteTwice},
		{"key can be written again after delete", stateWriteAfterDelete},
		{"get and put share no memory with the caller", stateSharesNoMemory},
		{"awkward keys stay distinct", stateAwkwardKeys},
		{"cancelled context writes nothing", stateCancelled},
		{"passed deadline writes nothing", stateDeadline},
		{"ttl 1 s reads at once and is gone by 2 s", stateExpires},
		{"time left is told", stateTimeLeft},
		{"write without ttl takes the ttl away", stateTTLTakenAway},
		{"write with ttl renews it", stateTTLRenewed},
		{"refused write leaves value and ttl", stateRefusedLeavesTTL},
		{"expired key counts as absent", stateExpiredIsAbsent},
	}, append(conditionChecks(), listChecks()...)...)
}

func putValue(t *testing.T, s store, key, value string, options backends.WriteOptions) (etag string) {
	t.Helper()
	return must(s.Put(t.Context(), key, backends.Value{Data: []byte(value), ContentType: "text/plain"}, options))(t)
}

// wantValue fails unless the key holds exactly this.
func wantValue(t *testing.T, s store, key, value string) backends.Item {
	t.Helper()
	item := must(s.Get(t.Context(), key, backends.ReadOptions{WithTTL: true}))(t)
	if string(item.Data) != value {
		t.Fatalf("%q holds %.80q, want %.80q", key, item.Data, value)
	}
	return item
}

func wantAbsent(t *testing.T, s store, key string) {
	t.Helper()
	_, err := s.Get(t.Context(), key, backends.ReadOptions{})
	wantCode(t, err, problem.NoSuchKey)
}

func stateRoundTrip(t *testing.T, s store) {
	key := named(t, "key")
	etag := must(s.Put(t.Context(), key, backends.Value{Data: []byte(`{"a": 1}`), ContentType: "application/json"}, backends.WriteOptions{}))(t)
	item := wantValue(t, s, key, `{"a": 1}`)
	if item.ContentType != "application/json" || item.ETag != etag || etag == "" || item.TTL != 0 {
		t.Fatalf("type %q, tag %q of %q, %v left", item.ContentType, item.ETag, etag, item.TTL)
	}
}

func stateAllBytes(t *testing.T, s store) {
	var all [256]byte
	for i := range all {
		all[i] = byte(i)
		putValue(t, s, named(t, "single"), string(all[i:i+1]), backends.WriteOptions{})
		wantValue(t, s, named(t, "single"), string(all[i:i+1]))
	}
	putValue(t, s, named(t, "all"), string(all[:]), backends.WriteOptions{})
	wantValue(t, s, named(t, "all"), string(all[:]))
}

func stateVerbatim(text string) func(*testing.T, store) {
	return func(t *testing.T, s store) {
		putValue(t, s, named(t, "key"), text, backends.WriteOptions{})
		wantValue(t, s, named(t, "key"), text)
	}
}

func stateLargeValue(t *testing.T, s store) {
	large := strings.Repeat("0123456789abcdef", 4<<20/16)
	putValue(t, s, named(t, "key"), large, backends.WriteOptions{})
	wantValue(t, s, named(t, "key"), large)
}

func stateContentTypes(t *testing.T, s store) {
	for _, contentType := range []string{"", "text/plain; charset=utf-8", `multipart/mixed; boundary="a b"`, strings.Repeat("x", 8192)} {
		value := backends.Value{Data: []byte("value"), ContentType: contentType}
		must(s.Put(t.Context(), named(t, "key"), value, backends.WriteOptions{}))(t)
		if item := wantValue(t, s, named(t, "key"), "value"); item.ContentType != contentType {
			t.Errorf("content type %.40q became %.40q", contentType, item.ContentType)
		}
	}
}

func stateAbsentIsNotEmpty(t *testing.T, s store) {
	key := named(t, "key")
	wantAbsent(t, s, key)
	for _, empty := range [][]byte{{}, nil} {
		must(s.Put(t.Context(), key, backends.Value{Data: empty}, backends.WriteOptions{}))(t)
		if item := wantValue(t, s, key, ""); item.ETag == "" {
			t.Fatal("an empty value has no tag")
		}
	}
}

func stateDeleteTwice(t *testing.T, s store) {
	key := named(t, "key")
	putValue(t, s, key, "value", backends.WriteOptions{})
	for range 2 {
		if err := s.Delete(t.Context(), key, backends.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		wantAbsent(t, s, key)
	}
}

func stateWriteAfterDelete(t *testing.T, s store) {
	key := named(t, "key")
	before := putValue(t, s, key, "value", backends.WriteOptions{})
	if err := s.Delete(t.Context(), key, backends.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if after := putValue(t, s, key, "value", backends.WriteOptions{}); after == before {
		t.Fatal("the old tag came back")
	}
	wantValue(t, s, key, "value")
}

func stateSharesNoMemory(t *testing.T, s store) {
	key, data := named(t, "key"), []byte("value")
	must(s.Put(t.Context(), key, backends.Value{Data: data}, backends.WriteOptions{}))(t)
	copy(data, "XXXXX")
	item := wantValue(t, s, key, "value")
	copy(item.Data, "YYYYY")
	wantValue(t, s, key, "value")
}

// awkwardKeys are what the paths `a/b`, `a%2Fb` and their like may decode to,
// and what a store could mistake for a pattern, a path or a separator.
func awkwardKeys() []string {
	return []string{
		"a/b", "a%2Fb", "a%252Fb", "a+b", "a b", "a%20b", "a//b", "a/./b", "a/../b", "../b", "..", "/", "//", "/a", "a/",
		"a*", "a?", "a[b]", `a\b`, `a\*`, "{a}", "{a}b", "a{b}", "ä", "a\u0308", "日本", "🙂", "A", "a", "a:b", "a|b", `"a"`, "'a'", "a;b", "a&b", "a=b", "a#b", "%", "%%", "%00",
	}
}

func stateAwkwardKeys(t *testing.T, s store) {
	prefix := named(t, "")
	for i, key := range awkwardKeys() {
		putValue(t, s, prefix+key, fmt.Sprint(i), backends.WriteOptions{})
	}
	for i, key := range awkwardKeys() {
		wantValue(t, s, prefix+key, fmt.Sprint(i))
	}
	listed := listAll(t, s, prefix, 7)
	for _, key := range awkwardKeys() {
		if _, ok := listed[prefix+key]; !ok {
			t.Errorf("%q is not listed", key)
		}
	}
	if len(listed) != len(awkwardKeys()) {
		t.Errorf("%d keys are listed, want %d", len(listed), len(awkwardKeys()))
	}
}

func stateCancelled(t *testing.T, s store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stateEnded(ctx, t, s, problem.ClientClosed)
}

func stateDeadline(t *testing.T, s store) {
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	stateEnded(ctx, t, s, problem.DeadlineExceeded)
}

// stateEnded: a call whose context has ended reaches nothing, so its outcome is
// known.
func stateEnded(ctx context.Context, t *testing.T, s store, code problem.Code) {
	key := named(t, "key")
	etag := putValue(t, s, key, "value", backends.WriteOptions{})
	_, putErr := s.Put(ctx, key, backends.Value{Data: []byte("late")}, backends.WriteOptions{})
	_, casErr := s.Put(ctx, key, backends.Value{Data: []byte("late")}, backends.WriteOptions{Condition: backends.Condition{IfMatch: []string{etag}}})
	deleteErr := s.Delete(ctx, key, backends.WriteOptions{})
	_, getErr := s.Get(ctx, key, backends.ReadOptions{})
	_, listErr := s.List(ctx, key, backends.ListOptions{Limit: 1})
	for call, err := range map[string]error{"put": putErr, "conditional put": casErr, "delete": deleteErr, "get": getErr, "list": listErr} {
		if problem.CodeOf(err) != code || problem.From(err).Unknown {
			t.Errorf("%s: %v, want %q and a known outcome", call, err, code)
		}
	}
	wantValue(t, s, key, "value")
}

func stateExpires(t *testing.T, s store) {
	key := named(t, "key")
	putValue(t, s, key, "value", backends.WriteOptions{TTL: time.Second})
	wantValue(t, s, key, "value")
	time.Sleep(2 * time.Second)
	wantAbsent(t, s, key)
	if listed := listAll(t, s, key, 10); len(listed) != 0 {
		t.Fatalf("listed: %v", listed)
	}
}

func wantTimeLeft(t *testing.T, s store, key string, least, most time.Duration) {
	t.Helper()
	item := must(s.Get(t.Context(), key, backends.ReadOptions{WithTTL: true}))(t)
	if item.TTL < least || item.TTL > most {
		t.Fatalf("%v left, want %v to %v", item.TTL, least, most)
	}
}

func stateTimeLeft(t *testing.T, s store) {
	putValue(t, s, named(t, "key"), "value", backends.WriteOptions{TTL: time.Hour})
	wantTimeLeft(t, s, named(t, "key"), 59*time.Minute, time.Hour)
}

func stateTTLTakenAway(t *testing.T, s store) {
	putValue(t, s, named(t, "key"), "value", backends.WriteOptions{TTL: 300 * time.Millisecond})
	putValue(t, s, named(t, "key"), "value", backends.WriteOptions{})
	wantTimeLeft(t, s, named(t, "key"), 0, 0)
	time.Sleep(600 * time.Millisecond)
	wantValue(t, s, named(t, "key"), "value")
}

func stateTTLRenewed(t *testing.T, s store) {
	putValue(t, s, named(t, "key"), "value", backends.WriteOptions{TTL: 300 * time.Millisecond})
	putValue(t, s, named(t, "key"), "value", backends.WriteOptions{TTL: time.Hour})
	wantTimeLeft(t, s, named(t, "key"), 59*time.Minute, time.Hour)
}

func stateRefusedLeavesTTL(t *testing.T, s store) {
	key := named(t, "key")
	putValue(t, s, key, "value", backends.WriteOptions{TTL: time.Hour})
	for _, condition := range []backends.Condition{{IfMatch: []string{"stale"}}, {IfNoneMatchAny: true}} {
		_, err := s.Put(t.Context(), key, backends.Value{}, backends.WriteOptions{Condition: condition, TTL: time.Second})
		wantCode(t, err, problem.PreconditionFailed)
	}
	wantValue(t, s, key, "value")
	wantTimeLeft(t, s, key, 59*time.Minute, time.Hour)
}

func stateExpiredIsAbsent(t *testing.T, s store) {
	key := named(t, "key")
	etag := putValue(t, s, key, "value", backends.WriteOptions{TTL: 50 * time.Millisecond})
	time.Sleep(200 * time.Millisecond)
	_, err := s.Put(t.Context(), key, backends.Value{}, backends.WriteOptions{Condition: backends.Condition{IfMatch: []string{etag}}})
	wantCode(t, err, problem.PreconditionFailed)
	putValue(t, s, key, "new", backends.WriteOptions{Condition: backends.Condition{IfNoneMatchAny: true}})
	wantValue(t, s, key, "new")
}

// atOnce runs n calls together and counts those that succeed; the others have
// to fail with code.
func atOnce(t *testing.T, n int, code problem.Code, call func(i int) error) (succeeded int) {
	t.Helper()
	var calls sync.WaitGroup
	var good atomic.Int64
	start := make(chan struct{})
	for i := range n {
		calls.Go(func() {
			<-start
			switch err := call(i); {
			case err == nil:
				good.Add(1)
			case problem.CodeOf(err) != code:
				t.Errorf("call %d: %v, want %q", i, err, code)
			}
		})
	}
	close(start)
	calls.Wait()
	return int(good.Load())
}
