package capture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ottogate/ottogate/request"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func start(t *testing.T, config Config) *Recorder {
	t.Helper()
	if config.Directory == "" {
		config.Directory = filepath.Join(t.TempDir(), "captures")
	}
	recorder, err := New(config, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = recorder.Close() })
	return recorder
}

func finish(t *testing.T, recorder *Recorder) {
	t.Helper()
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
}

// lines reads every capture of the recorder, oldest first.
func lines(t *testing.T, recorder *Recorder) []line {
	t.Helper()
	found, err := captures(recorder.writer.folder.path)
	if err != nil {
		t.Fatal(err)
	}
	var all []line
	for _, capture := range found {
		file, err := os.Open(filepath.Join(recorder.writer.folder.path, capture.name))
		if err != nil {
			t.Fatal(err)
		}
		scanner := bufio.NewScanner(file)
		scanner.Buffer(nil, 16<<20)
		for scanner.Scan() {
			var one line
			if err := json.Unmarshal(scanner.Bytes(), &one); err != nil {
				t.Fatalf("%s: %v", capture.name, err)
			}
			all = append(all, one)
		}
		_ = file.Close()
	}
	return all
}

func TestExchangeComesBackWhole(t *testing.T) {
	recorder := start(t, Config{Share: 1})
	everyByte := make([]byte, 256)
	for i := range everyByte {
		everyByte[i] = byte(i)
	}
	sent := Exchange{
		Time: time.Date(2026, 11, 21, 9, 30, 0, 5, time.FixedZone("", 3600)), Duration: 1500 * time.Microsecond,
		RequestID: "r-1", App: "orders", Route: "/v1/state/:store/*key",
		Method: "PUT", Path: "/v1/state/main/a%2Fb", Query: "ttl=5s",
		Header: http.Header{"X-Twice": {"a", "b"}}, Body: everyByte, BodySize: 256,
		Status: 204, ResponseHeader: http.Header{"Etag": {`"t"`}},
	}
	recorder.Record(sent)
	finish(t, recorder)

	got := lines(t, recorder)
	if len(got) != 1 {
		t.Fatalf("%d lines", len(got))
	}
	l := got[0]
	if l.Version != 1 || !l.Time.Equal(sent.Time) || l.DurationMs != 1.5 || l.RequestID != "r-1" || l.App != "orders" ||
		l.Method != "PUT" || l.Path != sent.Path || l.Query != sent.Query || l.Status != 204 || l.BodySize != 256 {
		t.Errorf("changed on the way: %+v", l)
	}
	if !bytes.Equal(l.Body, everyByte) || len(l.Headers["X-Twice"]) != 2 || l.ResponseHeaders.Get("ETag") != `"t"` {
		t.Errorf("body or headers changed: %+v", l)
	}
}

func TestSecretsNeverReachTheFolder(t *testing.T) {
	recorder := start(t, Config{Share: 1, RedactHeaders: []string{"x-session", "Card_Number"}})
	const canary = "canary-3f9a"
	header := http.Header{
		"Authorization": {"Bearer " + canary}, "Cookie": {canary, canary}, "X-Api-Key": {canary},
		"Proxy-Authorization": {canary}, "x-api-key": {canary}, "X_api_key": {canary},
		"X-Session": {canary}, "Card-Number": {canary}, "Accept": {"text/plain"},
	}
	answer := http.Header{"Set-Cookie": {canary}, "set-cookie": {canary}, "SET_COOKIE": {canary}}
	recorder.Record(Exchange{Header: header, ResponseHeader: answer})
	finish(t, recorder)

	for _, text := range texts(t, recorder) {
		if strings.Contains(text, canary) {
			t.Errorf("a secret is in the folder: %s", text)
		}
	}
	got := lines(t, recorder)[0].Headers
	if len(got["Cookie"]) != 2 || got["Cookie"][0] != redacted || got.Get("Accept") != "text/plain" {
		t.Errorf("redaction took too much or left too little: %v", got)
	}
	if header.Get("Authorization") != "Bearer "+canary {
		t.Error("the request's own header was changed")
	}
}

func TestSecretsNeverWaitInTheRing(t *testing.T) {
	queue := newRing(10, 1<<20)
	recorder := &Recorder{secrets: newSecrets(nil), queue: queue, bodyLimit: 10}
	recorder.Record(Exchange{Query: "token=s", Header: http.Header{"Authorization": {"Bearer s"}}})
	items, _ := queue.take(nil)
	if got, query := items[0].Header.Get("Authorization"), items[0].Query; got != redacted || query != "token="+redacted {
		t.Errorf("the ring holds %q and %q", got, query)
	}
}

func texts(t *testing.T, recorder *Recorder) []string {
	t.Helper()
	found, err := captures(recorder.writer.folder.path)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, capture := range found {
		text, err := os.ReadFile(filepath.Join(recorder.writer.folder.path, capture.name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}

func TestFilesBelongToTheirOwnerOnly(t *testing.T) {
	recorder := start(t, Config{Share: 1})
	recorder.Record(Exchange{})
	finish(t, recorder)
	path := recorder.writer.folder.path
	found, _ := captures(path)
	if len(found) != 1 {
		t.Fatalf("%d files", len(found))
	}
	file, _ := os.Stat(filepath.Join(path, found[0].name))
	folder, _ := os.Stat(path)
	if file.Mode().Perm() != 0o600 || folder.Mode().Perm() != 0o700 {
		t.Errorf("file %v, folder %v", file.Mode(), folder.Mode())
	}
}

func TestBodiesAreCut(t *testing.T) {
	recorder := start(t, Config{Share: 1, BodyLimit: 4})
	recorder.Record(Exchange{Body: []byte("123456"), BodySize: 900, ResponseBody: []byte("abcd"), ResponseSize: 4})
	finish(t, recorder)
	l := lines(t, recorder)[0]
	if string(l.Body) != "1234" || l.BodySize != 900 || string(l.ResponseBody) != "abcd" {
		t.Errorf("%+v", l)
	}
}

func TestSampling(t *testing.T) {
	req := httptest.NewRequest(http.MethodGet, "/v1/invoke/orders/7", nil)
	info := &request.Info{App: "orders"}
	for _, test := range []struct {
		name   string
		config Config
		want   bool
	}{
		{"everything", Config{Share: 1}, true},
		{"nothing", Config{Share: 0}, false},
		{"this app", Config{Share: 1, Apps: []string{"pay*", "ord*"}}, true},
		{"another app", Config{Share: 1, Apps: []string{"billing"}}, false},
		{"this route", Config{Share: 1, Routes: []string{"/v1/invoke/**"}}, true},
		{"another route", Config{Share: 1, Routes: []string{"/v1/state/**"}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := start(t, test.config).Sampled(info, req); got != test.want {
				t.Errorf("sampled: %v", got)
			}
		})
	}
}

func TestShareIsKept(t *testing.T) {
	recorder := start(t, Config{Share: 0.1})
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	const draws = 100_000
	taken := 0
	for range draws {
		if recorder.Sampled(&request.Info{}, req) {
			taken++
		}
	}
	if taken < draws*9/100 || taken > draws*11/100 { // ten standard deviations
		t.Errorf("%d of %d taken at a share of 10%%", taken, draws)
	}
}

func TestNilRecorderIsOff(t *testing.T) {
	var recorder *Recorder
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	info := &request.Info{}
	allocated := testing.AllocsPerRun(100, func() {
		if recorder.Sampled(info, req) {
			t.Error("sampled")
		}
		recorder.Record(Exchange{})
	})
	if allocated != 0 || recorder.BodyLimit() != 0 || recorder.Stats() != (Stats{}) || recorder.Close() != nil {
		t.Errorf("a recorder that is off does something: %v allocations", allocated)
	}
}

func TestSamplingAllocatesNothing(t *testing.T) {
	recorder := start(t, Config{Share: 1, Apps: []string{"o*"}, Routes: []string{"/v1/**/x", "/v1/*/orders/**"}})
	req := httptest.NewRequest(http.MethodGet, "/v1/invoke/orders/7", nil)
	info := &request.Info{App: "orders"}
	if n := testing.AllocsPerRun(100, func() { recorder.Sampled(info, req) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFullRingDropsTheNewest(t *testing.T) {
	queue := newRing(2, 1<<20)
	first, second, third := queue.put(Exchange{RequestID: "1"}), queue.put(Exchange{RequestID: "2"}), queue.put(Exchange{RequestID: "3"})
	items, open := queue.take(nil)
	if !first || !second || third || !open || len(items) != 2 || items[0].RequestID != "1" {
		t.Errorf("%v %v %v, %v", first, second, third, items)
	}
	if !queue.put(Exchange{}) {
		t.Error("an emptied ring refuses")
	}
}

func TestRingIsBoundedInBytes(t *testing.T) {
	queue := newRing(100, 4<<10)
	if !queue.put(Exchange{Body: make([]byte, 2<<10)}) || queue.put(Exchange{Header: http.Header{"X": {strings.Repeat("x", 2<<10)}}}) {
		t.Error("the ring does not count bytes")
	}
}

func TestEveryExchangeIsCountedOnce(t *testing.T) {
	recorder := start(t, Config{Share: 1, RingExchanges: 8, DiskLimit: 64 << 20})
	const workers, each = 8, 500
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range each {
				recorder.Record(Exchange{Header: http.Header{"A": {"b"}}, Body: []byte("body")})
			}
		})
	}
	group.Wait()
	finish(t, recorder)
	stats := recorder.Stats()
	if stats.Written+stats.DroppedFull+stats.DroppedDisk != workers*each || stats.Written == 0 {
		t.Errorf("%+v do not add up to %d", stats, workers*each)
	}
	if got := len(lines(t, recorder)); uint64(got) != stats.Written {
		t.Errorf("%d lines, %d counted", got, stats.Written)
	}
}

func TestClosedRecorderDrops(t *testing.T) {
	recorder := start(t, Config{Share: 1})
	finish(t, recorder)
	recorder.Record(Exchange{})
	finish(t, recorder)
	if got := recorder.Stats(); got != (Stats{DroppedFull: 1}) {
		t.Errorf("%+v", got)
	}
}

func TestFoolishConfigurationIsRefused(t *testing.T) {
	for name, config := range map[string]Config{
		"no folder":      {Share: 1},
		"share over one": {Directory: "d", Share: 1.1},
		"tiny disk":      {Directory: "d", DiskLimit: 10},
		"negative ring":  {Directory: "d", RingBytes: -1},
	} {
		if recorder, err := New(config, quiet); err == nil {
			_ = recorder.Close()
			t.Errorf("%s was taken", name)
		}
	}
}

func TestBrokenFolderDropsAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "captures")
		if err := os.WriteFile(path, nil, 0o600); err != nil { // a file where the folder should be
			t.Fatal(err)
		}
		var log bytes.Buffer
		recorder, err := New(Config{Directory: path, Share: 1}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			recorder.Record(Exchange{})
			synctest.Wait()
		}
		if got := recorder.Stats(); got != (Stats{DroppedDisk: 3}) {
			t.Errorf("on a broken folder: %+v", got)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(retryGap)
		for range 2 {
			recorder.Record(Exchange{})
			synctest.Wait()
		}
		if got := recorder.Stats(); got != (Stats{Written: 2, DroppedDisk: 3}) {
			t.Errorf("after repair: %+v", got)
		}
		finish(t, recorder)
		if text := log.String(); strings.Count(text, "level=WARN") != 1 || strings.Count(text, "writes again") != 1 {
			t.Errorf("logged:\n%s", text)
		}
	})
}

func TestStalledDiskNeverHoldsARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder, release := stalled(t)
		for range 100 {
			recorder.Record(Exchange{}) // a wait would be a deadlock in this bubble
		}
		if err := recorder.Close(); err == nil {
			t.Error("Close waited for ever or lied")
		}
		close(release)
		synctest.Wait()
		if got := recorder.Stats(); got.DroppedFull != 90 {
			t.Errorf("%+v", got)
		}
	})
}

// stalled is a recorder whose writer does not start before release is closed.
func stalled(t *testing.T) (recorder *Recorder, release chan struct{}) {
	t.Helper()
	config := Config{Directory: t.TempDir(), RingExchanges: 10}.withDefaults()
	queue := newRing(config.RingExchanges, config.RingBytes)
	release = make(chan struct{})
	recorder = &Recorder{
		queue: queue, writer: newWriter(queue, newFolder(config), quiet),
		done: make(chan struct{}),
	}
	go func() {
		defer close(recorder.done)
		<-release
		recorder.writer.run()
	}()
	return recorder, release
}
