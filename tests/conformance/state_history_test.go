package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// The size of a history. Many short ones find as much as a long one, and are
// checked in no time.
const (
	historyClients = 8
	historyCalls   = 40 // of each client
	historyKeys    = 3
	historyTime    = 3 * time.Second // for as many histories as there is time for
)

// TestStateHistory lets 8 clients over two connections read, create, swap,
// delete and count on the same few keys, some of them with deadlines that
// leave the outcome open, and asks porcupine whether any order of the calls
// explains every answer.
//
// A failing history is saved with its seed; HISTORY_SEED repeats the choices,
// though not the timing. HISTORY_TIME sets how long it goes on.
func TestStateHistory(t *testing.T) {
	seed, limit := historySettings(t)
	for _, d := range twinDrivers() {
		t.Run(d.name, func(t *testing.T) {
			subject, version := d.open(t)
			subject = sabotage(subject, historyMutants())
			sum := historySum{}
			for begin := time.Now(); time.Since(begin) < limit && !t.Failed(); sum.histories++ {
				h := newHistory(t, d.name, seed+uint64(sum.histories))
				h.run(t.Context(), subject)
				h.check(t)
				sum.add(h.calls)
			}
			t.Logf("%s %s, seed %d: %+v", d.name, version, seed, sum)
			sum.requireVariety(t)
		})
	}
}

func historySettings(t *testing.T) (seed uint64, limit time.Duration) {
	t.Helper()
	seed, limit = rand.Uint64N(math.MaxUint32), historyTime
	if text := os.Getenv("HISTORY_SEED"); text != "" {
		seed = must(strconv.ParseUint(text, 10, 64))(t)
	}
	if text := os.Getenv("HISTORY_TIME"); text != "" {
		limit = must(time.ParseDuration(text))(t)
	}
	return seed, limit
}

// history is one round: its own keys, all calls that were made on them.
type history struct {
	driver string
	seed   uint64
	prefix string
	begin  time.Time

	mu    sync.Mutex
	calls []historyCall
	tags  map[string]string // by key: one that was seen lately, by whomever
}

func newHistory(t *testing.T, driver string, seed uint64) *history {
	t.Helper()
	return &history{driver: driver, seed: seed, prefix: named(t, fmt.Sprint(seed)), begin: time.Now(), tags: map[string]string{}}
}

func (h *history) run(ctx context.Context, subject twin) {
	var clients sync.WaitGroup
	for client := range historyClients {
		clients.Go(func() {
			choose := rand.New(rand.NewPCG(h.seed, uint64(client)))
			store := []fullStore{subject.fullStore, subject.other}[client%2]
			for range historyCalls {
				h.record(h.call(ctx, store, h.draw(client, choose), choose))
			}
		})
	}
	clients.Wait()
}

// draw decides what a client does next.
func (h *history) draw(client int, choose *rand.Rand) historyCall {
	call := historyCall{Client: client, Key: fmt.Sprint(h.prefix, "/", choose.IntN(historyKeys))}
	seen := h.seen(call.Key)
	switch choose.IntN(10) {
	case 0, 1:
		call.Kind = backends.OperationGet
	case 2, 3:
		call.Kind, call.Condition.IfNoneMatchAny = backends.OperationPut, true
	case 4, 5:
		call.Kind, call.Condition.IfMatch = backends.OperationPut, []string{seen}
	case 6:
		call.Kind, call.Condition.IfMatch = backends.OperationDelete, []string{seen}
	case 7:
		call.Kind = backends.OperationDelete
	default:
		call.Kind, call.By = backends.OperationIncrement, choose.Int64N(5)-2
		if !supports(h.driver, increments) {
			call.Kind = backends.OperationPut
		}
	}
	call.Data = fmt.Sprint(choose.IntN(1000))
	return call
}

// call makes a call. One in eight has so little time that it may end anyhow.
func (h *history) call(ctx context.Context, s fullStore, c historyCall, choose *rand.Rand) historyCall {
	if choose.IntN(8) == 0 {
		short, cancel := context.WithTimeout(ctx, time.Duration(choose.IntN(1500))*time.Microsecond)
		defer cancel()
		ctx = short
	}
	options := backends.WriteOptions{Condition: c.Condition}
	var err error
	c.Call = int64(time.Since(h.begin))
	switch c.Kind {
	case backends.OperationGet:
		var item backends.Item
		item, err = s.Get(ctx, c.Key, backends.ReadOptions{})
		c.ETag, c.Result = item.ETag, string(item.Data)
	case backends.OperationPut:
		c.ETag, err = s.Put(ctx, c.Key, backends.Value{Data: []byte(c.Data)}, options)
	case backends.OperationDelete:
		err = s.Delete(ctx, c.Key, options)
	case backends.OperationIncrement:
		var value int64
		value, c.ETag, err = s.Increment(ctx, c.Key, backends.Increment{By: c.By}, options)
		c.Result = strconv.FormatInt(value, 10)
	}
	c.Return = int64(time.Since(h.begin))
	if failure := problem.From(err); failure != nil {
		c.Code, c.Unknown, c.ETag = failure.Code, failure.Unknown, failure.ETag
	}
	if c.Unknown {
		c.Return = math.MaxInt64 // it may still happen
	}
	return c
}

func (h *history) record(c historyCall) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, c)
	if c.ETag != "" {
		h.tags[c.Key] = c.ETag
	}
}

func (h *history) seen(key string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if tag := h.tags[key]; tag != "" {
		return tag
	}
	return "never"
}

// check hands what was answered to porcupine. A call that failed for certain
// does not count: had it done anything, others would have seen it.
func (h *history) check(t *testing.T) {
	t.Helper()
	var operations []porcupine.Operation
	for _, c := range h.calls {
		if c.Unknown && c.ETag == "" && (c.Kind == backends.OperationPut || c.Kind == backends.OperationIncrement) {
			t.Errorf("%s: an unknown outcome without the tag that settles it", c)
		}
		if c.Unknown || c.Code == "" || c.Code == problem.PreconditionFailed || c.Code == problem.NoSuchKey {
			operations = append(operations, porcupine.Operation{ClientId: c.Client, Input: c, Call: c.Call, Return: c.Return})
		} else if c.Code != problem.DeadlineExceeded {
			t.Errorf("%s: unexpected", c)
		}
	}
	result, info := porcupine.CheckOperationsVerbose(historyModel(), operations, 30*time.Second)
	if result != porcupine.Ok {
		t.Errorf("seed %d: %s", h.seed, result)
		h.save(t, info)
	}
}

// save keeps the history as JSON, and as a page to look at beside it. A
// mutant's is no find.
func (h *history) save(t *testing.T, info porcupine.LinearizationInfo) {
	t.Helper()
	if os.Getenv(breakEnv) != "" {
		return
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("ottogate-state-history-%s-%d.json", h.driver, h.seed)) //nolint:usetesting // it must outlive the test
	text := must(json.MarshalIndent(map[string]any{"driver": h.driver, "seed": h.seed, "calls": h.calls}, "", " "))(t)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Error(err)
	}
	if err := porcupine.VisualizePath(historyModel(), info, path+".html"); err != nil {
		t.Error(err)
	}
	t.Logf("saved as %s, to look at as %s.html", path, path)
}

// historySum says what the histories were made of.
type historySum struct{ histories, calls, applied, refused, unknown, late int }

func (s *historySum) add(calls []historyCall) {
	for _, c := range calls {
		s.calls++
		switch {
		case c.Unknown:
			s.unknown++
		case c.Code == "" && c.Kind != backends.OperationGet:
			s.applied++
		case c.Code == problem.PreconditionFailed:
			s.refused++
		case c.Code == problem.DeadlineExceeded:
			s.late++
		}
	}
}

// requireVariety: histories in which nothing collides prove nothing.
func (s *historySum) requireVariety(t *testing.T) {
	t.Helper()
	if s.applied == 0 || s.refused == 0 || s.unknown+s.late == 0 {
		t.Errorf("too little happened: %+v", *s)
	}
}
