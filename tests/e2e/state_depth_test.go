package e2e

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// onBothStores runs a test on real Redis and on the embedded store.
func onBothStores(t *testing.T, test func(t *testing.T, r *replica, store string)) {
	r := start(t, settings{})
	for _, store := range []string{"main", "local"} {
		t.Run(store, func(t *testing.T) { test(t, r, "/v1/state/"+store) })
	}
}

// Delta update: PATCH changes one field and leaves the others, digits and all.
func TestPatch(t *testing.T) {
	onBothStores(t, func(t *testing.T, r *replica, store string) {
		key := store + "/patch/1"
		const value = `{"id":1234567890123456789,"pi":3.14159265358979323,"status":"new"}`
		r.do("PATCH", key, `{"a":1}`).wantProblem(t, 404, "no-such-key")
		etag := r.do("PUT", key+"?ttl=20s", value, "Content-Type", "application/json").want(t, 204).header.Get("ETag")
		r.do("PATCH", key, `{"status":"paid"}`, "If-Match", `"other"`).wantProblem(t, 412, "precondition-failed")
		next := r.do("PATCH", key, `{"status":"paid"}`, "If-Match", etag).want(t, 204).header.Get("ETag")
		if got := r.do("GET", key, "").want(t, 200); got.body != strings.Replace(value, "new", "paid", 1) || got.header.Get("ETag") != next || next == etag {
			t.Errorf("%s %v", got.body, got.header)
		}
		r.do("PATCH", key, `[{"op":"test","path":"/status","value":"paid"},{"op":"add","path":"/lines","value":[1]}]`).want(t, 204)
		failed := r.do("PATCH", key, `[{"op":"remove","path":"/pi"},{"op":"test","path":"/status","value":"x"}]`).wantProblem(t, 422, "unprocessable")
		if !strings.Contains(failed.body, `"pointer":"/1"`) {
			t.Error(failed.body)
		}
		if got := r.do("HEAD", key, "").want(t, 200); got.header.Get("Ottogate-TTL") == "" {
			t.Error("the expiry is lost")
		}
		r.do("PATCH", key, `{}`, "Content-Type", "text/csv").wantProblem(t, 415, "unsupported-media-type")
		r.do("PATCH", key, `{`).wantProblem(t, 400, "invalid-body")
		r.do("PUT", key, "\x00", "Content-Type", "x/y").want(t, 204)
		r.do("PATCH", key, `{}`).wantProblem(t, 422, "unprocessable")
	})
}

// Patches of many writers at once all count.
func TestPatchesDoNotLoseEachOther(t *testing.T) {
	onBothStores(t, func(t *testing.T, r *replica, store string) {
		key := store + "/patch/many"
		r.do("PUT", key, `{}`, "Content-Type", "application/json").want(t, 204)
		var wait sync.WaitGroup
		for i := range 8 {
			wait.Go(func() {
				if got := r.do("PATCH", key, `{"m`+strconv.Itoa(i)+`":1}`); got.status != 204 {
					t.Errorf("%d %s", got.status, got.body)
				}
			})
		}
		wait.Wait()
		if got := r.do("GET", key, "").want(t, 200); strings.Count(got.body, ":1") != 8 {
			t.Error(got.body)
		}
	})
}

type results struct {
	Results []struct {
		Status  int
		Key     string
		ETag    string
		Value   json.RawMessage
		Problem *struct{ Code string }
	}
}

func resultsOf(t *testing.T, a answer) results {
	t.Helper()
	var got results
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return got
}

// Bulk get, bulk save and delete: results in order, each with its own status.
func TestBatch(t *testing.T) {
	onBothStores(t, func(t *testing.T, r *replica, store string) {
		got := r.do("POST", store, `{"operations":[{"op":"put","key":"b/1","value":{"n":9007199254740993}},{"op":"put","key":"b/2","data":"AAH/"},{"op":"increment","key":"b/n","by":"9007199254740993"}]}`).want(t, 200)
		first := resultsOf(t, got)
		if len(first.Results) != 3 || first.Results[0].Status != 204 || first.Results[0].ETag == "" || string(first.Results[2].Value) != "9007199254740993" {
			t.Fatal(got.body)
		}
		got = r.do("POST", store, `{"operations":[{"op":"get","key":"b/1"},{"op":"get","key":"b/absent"},{"op":"get","key":"b/2"}]}`).want(t, 207)
		read := resultsOf(t, got)
		if read.Results[0].Status != 200 || string(read.Results[0].Value) != `{"n":9007199254740993}` || read.Results[1].Status != 404 || read.Results[1].Problem.Code != "no-such-key" || !strings.Contains(got.body, `"data":"AAH/"`) {
			t.Error(got.body)
		}
		if got.header.Get("Ottogate-Failed") != "1" {
			t.Errorf("Ottogate-Failed %q", got.header.Get("Ottogate-Failed"))
		}
		stale := r.do("POST", store, `{"operations":[{"op":"put","key":"b/1","value":1},{"op":"put","key":"b/2","value":2,"ifMatch":"stale"},{"op":"delete","key":"b/n"}]}`).want(t, 207)
		if s := resultsOf(t, stale).Results; s[0].Status != 204 || s[1].Status != 412 || s[2].Status != 204 {
			t.Error(stale.body)
		}
		for body, pointer := range map[string]string{
			`{"operations":[]}`:                                                              "/operations",
			`{"operations":[{"op":"fly","key":"x"}]}`:                                        "/operations/0/op",
			`{"operations":[{"op":"get","key":"x"},{"op":"put","key":"x"}]}`:                 "/operations/1/value",
			`{"operations":[{"op":"put","key":"","value":1}]}`:                               "/operations/0/key",
			`{"operations":[{"op":"get","key":"x","ttl":"1s"}]}`:                             "/operations/0/ttl",
			`{"operations":[{"op":"put","key":"x","data":"%"}]}`:                             "/operations/0/data",
			`{"operations":[{"op":"put","key":"x","value":1,"ttl":"0s"}]}`:                   "/operations/0/ttl",
			`{"operations":[{"op":"increment","key":"x","by":"9223372036854775808"}]}`:       "/operations/0/by",
			`{"operations":[{"op":"put","key":"x","value":1,"unknown":true}],"atomic":true}`: "/operations/0/unknown",
			`{"operations":[{"op":"increment","key":"x","by":"+5"}]}`:                        "/operations/0/by",
			`{"operations":[{"op":"increment","key":"x","max":1.5}]}`:                        "/operations/0/max",
		} {
			if got := r.do("POST", store, body).wantProblem(t, 400, "invalid-body"); !strings.Contains(got.body, `"pointer":"`+pointer) {
				t.Errorf("%s: %s", body, got.body)
			}
		}
	})
}

// Transaction: one stale tag among three, and nothing is applied.
func TestAtomicBatch(t *testing.T) {
	onBothStores(t, func(t *testing.T, r *replica, store string) {
		r.do("PUT", store+"/t/1", `1`).want(t, 204)
		r.do("PUT", store+"/t/doc", `{"a":1}`, "Content-Type", "application/json").want(t, 204)
		refused := r.do("POST", store, `{"atomic":true,"operations":[{"op":"put","key":"t/1","value":2},{"op":"put","key":"t/2","value":2,"ifMatch":"stale"},{"op":"delete","key":"t/doc"}]}`).wantProblem(t, 412, "precondition-failed")
		if !strings.Contains(refused.body, `"pointer":"/operations/1"`) {
			t.Error(refused.body)
		}
		if got := r.do("GET", store+"/t/1", "").want(t, 200); got.body != "1" {
			t.Errorf("t/1 is %q", got.body)
		}
		r.do("GET", store+"/t/2", "").want(t, 404)
		r.do("GET", store+"/t/doc", "").want(t, 200)

		done := r.do("POST", store, `{"atomic":true,"operations":[{"op":"put","key":"t/1","value":2},{"op":"patch","key":"t/doc","value":{"b":2}},{"op":"increment","key":"t/n"},{"op":"get","key":"t/1"},{"op":"get","key":"t/absent"}]}`).want(t, 200)
		if s := resultsOf(t, done).Results; string(s[2].Value) != "1" || string(s[3].Value) != "2" || s[4].Status != 404 {
			t.Error(done.body)
		}
		if got := r.do("GET", store+"/t/doc", "").want(t, 200); got.body != `{"a":1,"b":2}` {
			t.Errorf("t/doc is %s", got.body)
		}
		r.do("POST", store, `{"atomic":true,"operations":[{"op":"put","key":"t/1","value":9},{"op":"increment","key":"t/n","max":"1"}]}`).wantProblem(t, 422, "unprocessable")
		if got := r.do("GET", store+"/t/1", "").want(t, 200); got.body != "2" {
			t.Errorf("t/1 is %q", got.body)
		}
	})
}

// A batch is checked operation by operation.
func TestBatchIsChecked(t *testing.T) {
	r := start(t, settings{})
	got := r.do("POST", "/v1/state/main", `{"operations":[{"op":"get","key":"public/x"},{"op":"put","key":"public/x","value":1},{"op":"get","key":"private/x"}]}`, "X-Api-Key", readerKey).want(t, 207)
	if s := resultsOf(t, got).Results; s[0].Status != 404 || s[1].Status != 403 || s[2].Status != 403 {
		t.Error(got.body)
	}
	r.do("POST", "/v1/state/main", `{"atomic":true,"operations":[{"op":"get","key":"public/x"},{"op":"put","key":"public/x","value":1}]}`, "X-Api-Key", readerKey).wantProblem(t, 403, "forbidden")
	r.do("POST", "/v1/query/main", `{"prefix":"public/"}`, "X-Api-Key", readerKey).want(t, 200)
	r.do("POST", "/v1/query/main", `{"prefix":"pu"}`, "X-Api-Key", readerKey).wantProblem(t, 403, "forbidden")
	r.do("PATCH", "/v1/state/main/public/x", `{}`, "X-Api-Key", readerKey).wantProblem(t, 403, "forbidden")
}

// Query: 25 records, 10 to a page, and a cursor that gives the other 15.
func TestQuery(t *testing.T) {
	onBothStores(t, func(t *testing.T, r *replica, store string) {
		for i := range 30 {
			status := "open"
			if i%6 == 5 {
				status = "closed"
			}
			r.do("PUT", fmt.Sprintf("%s/q/%02d", store, i), fmt.Sprintf(`{"id":%d,"status":"%s","created":%d}`, i, status, 100-i)).want(t, 204)
		}
		r.do("PUT", store+"/q/binary", "\x00").want(t, 204)
		query := strings.Replace(store, "/v1/state/", "/v1/query/", 1)
		var seen []string
		cursor, firstCursor := "", ""
		for page := range 3 {
			got := r.do("POST", query, `{"prefix":"q/","filter":{"and":[{"pointer":"/status","op":"eq","value":"open"},{"pointer":"/id","op":"ge","value":0.0}]},"sort":[{"pointer":"/created","order":"asc"}],"select":["/id"],"limit":10,"cursor":"`+cursor+`"}`).want(t, 200)
			var list struct {
				Items []struct {
					Key   string
					Value json.RawMessage
				}
				Cursor string
			}
			if err := json.Unmarshal([]byte(got.body), &list); err != nil {
				t.Fatal(err)
			}
			if want := []int{10, 10, 5}[page]; len(list.Items) != want || (list.Cursor == "") != (page == 2) {
				t.Fatalf("page %d has %d items, cursor %q", page, len(list.Items), list.Cursor)
			}
			for _, item := range list.Items {
				seen = append(seen, string(item.Value))
			}
			if cursor = list.Cursor; page == 0 {
				firstCursor = cursor
			}
		}
		if len(seen) != 25 || seen[0] != `{"id":28}` || seen[24] != `{"id":0}` {
			t.Errorf("%v", seen)
		}
		r.do("POST", query, `{"prefix":"q/","cursor":"nonsense"}`).wantProblem(t, 400, "invalid-cursor")
		r.do("POST", query, `{"prefix":"q/","cursor":"`+firstCursor[:20]+"AAAA"+firstCursor[24:]+`"}`).wantProblem(t, 400, "invalid-cursor")
		for body, pointer := range map[string]string{
			`{"filter":{"pointer":"/a","op":"like","value":1}}`:        "/filter/op",
			`{"filter":{"value":1}}`:                                   "/filter/pointer",
			`{"filter":{"and":[{"pointer":"a","op":"eq","value":1}]}}`: "/filter/and/0/pointer",
			`{"sort":[{"pointer":"/a"},{"pointer":"b"}]}`:              "/sort/1/pointer",
			`{"prefix":"q/","filter":{},"select":[""]}`:                "/select/0",
			`{"prefix":"q/","filter":{},"limit":0}`:                    "/limit",
		} {
			if got := r.do("POST", query, body).wantProblem(t, 400, "invalid-body"); !strings.Contains(got.body, `"pointer":"`+pointer+`"`) {
				t.Errorf("%s: %s", body, got.body)
			}
		}
	})
}

func TestQueryTooWide(t *testing.T) {
	r := start(t, settings{narrow: true})
	for i := range 6 {
		r.do("PUT", fmt.Sprintf("/v1/state/narrow/w/%d", i), "1").want(t, 204)
	}
	r.do("POST", "/v1/query/narrow", `{"prefix":"w/"}`).wantProblem(t, 422, "query-too-wide")
	r.do("POST", "/v1/query/narrow", `{"prefix":"w/1"}`).want(t, 200)
}

// Change watch: a client on one replica sees what is done through another.
func TestWatch(t *testing.T) {
	a, b := start(t, settings{}), start(t, settings{})
	const key = "/v1/state/main/watched"
	stream := a.open("GET", key, "", "Accept", "text/event-stream")
	defer stream.Body.Close()
	events := newEvents(stream.Body)
	if first := events.next(t); first.name != "delete" {
		t.Errorf("an absent key begins with %+v", first)
	}
	etag := b.do("PUT", key, `{"n":1}`).want(t, 204).header.Get("ETag")
	put := events.next(t)
	if put.name != "put" || `"`+put.id+`"` != etag || !strings.Contains(put.data, `"value":{"n":1}`) || !strings.Contains(put.data, `"key":"watched"`) {
		t.Errorf("%+v", put)
	}
	polled := make(chan answer, 1)
	go func() { polled <- a.do("GET", key+"?wait=10s", "", "If-None-Match", etag) }()
	time.Sleep(200 * time.Millisecond) // the poll waits
	b.do("PUT", key+"?ttl=1s", "2").want(t, 204)
	if got := <-polled; got.status != 200 || got.body != "2" {
		t.Errorf("long poll: %d %s", got.status, got.body)
	}
	if e := events.next(t); e.name != "put" {
		t.Errorf("%+v", e)
	}
	if e := events.next(t); e.name != "expire" {
		t.Errorf("%+v", e)
	}
	b.do("GET", key+"?wait=200ms", "").wantProblem(t, 404, "no-such-key")
	etag = b.do("PUT", key, "3").want(t, 204).header.Get("ETag")
	b.do("GET", key+"?wait=200ms", "", "If-None-Match", etag).want(t, 304)
	b.do("DELETE", key, "").want(t, 204)
	b.do("GET", key+"?wait=5s", "", "If-None-Match", etag).wantProblem(t, 404, "no-such-key")
}

// Fence enforced by state: an older fence than one that was seen is refused.
func TestFence(t *testing.T) {
	r := start(t, settings{})
	const lock, key = "/v1/lock/main/fenced", "/v1/state/main/fenced"
	old := fenceOf(t, r.do("POST", lock, `{"owner":"a","ttl":"10s"}`).want(t, 200))
	r.do("PUT", key, "a", "Lock-Fence", "main/fenced="+old).want(t, 204)
	r.do("DELETE", lock+"?owner=a", "").want(t, 204)
	young := fenceOf(t, r.do("POST", lock, `{"owner":"b","ttl":"10s"}`).want(t, 200))
	r.do("PUT", key, "b", "Lock-Fence", "main/fenced="+young).want(t, 204)
	r.do("PUT", key, "a again", "Lock-Fence", "main/fenced="+old).wantProblem(t, 412, "stale-fence")
	r.do("PATCH", key, `{}`, "Lock-Fence", "main/fenced="+old).want(t, 422) // not JSON: said before anything is written
	r.do("DELETE", key, "", "Lock-Fence", "main/fenced="+old).wantProblem(t, 412, "stale-fence")
	if got := r.do("GET", key, "").want(t, 200); got.body != "b" {
		t.Errorf("the value became %q", got.body)
	}
	r.do("PUT", key, "x", "Lock-Fence", "main/fenced=9999999999999999").wantProblem(t, 422, "unprocessable")
	for _, text := range []string{"nonsense", "", "main/=1", "main/fenced=x"} {
		r.do("PUT", key, "x", "Lock-Fence", text).wantProblem(t, 400, "invalid-parameter")
	}
	r.do("PUT", key, "x", "Lock-Fence", "main/fenced="+young, "Lock-Fence", "main/fenced="+old).wantProblem(t, 400, "invalid-parameter")
	r.do("PUT", key, "x", "Lock-Fence", "none/fenced=1").wantProblem(t, 403, "forbidden")
}
