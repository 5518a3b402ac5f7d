package redis

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

func putOp(key, value string) backends.Operation {
	return backends.Operation{Kind: backends.OperationPut, Key: key, Value: backends.Value{Data: []byte(value)}}
}

func addOp(key string, by int64) backends.Operation {
	return backends.Operation{Kind: backends.OperationIncrement, Key: key, Increment: backends.Increment{By: by}}
}

func add(tb testing.TB, s *State, key string, by int64) int64 {
	tb.Helper()
	value, etag, err := s.Increment(tb.Context(), key, backends.Increment{By: by}, backends.WriteOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	if item := must(s.Get(tb.Context(), key, backends.ReadOptions{}))(tb); item.ETag != etag || string(item.Data) != strconv.FormatInt(value, 10) {
		tb.Fatalf("told %d with tag %q, stored %q with %q", value, etag, item.Data, item.ETag)
	}
	return value
}

// interesting are numbers around which arithmetic goes wrong, and others.
func interesting() int64 {
	edges := []int64{0, 1, -1, 999999999, -999999999, 1e9, -1e9, 1e18, -1e18, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64, 9223372036e9, -9223372036e9}
	switch rand.N(3) {
	case 0:
		return edges[rand.N(len(edges))]
	case 1:
		return edges[rand.N(len(edges))] + rand.N(int64(5)) - 2 // wraps, which is as good
	}
	return int64(rand.Uint64()) >> rand.N(64)
}

func TestIncrementCalculatesAsBigNumbersDo(t *testing.T) {
	s, key := open(t, shared.Addr).State(StateOptions{}), fresh(t)
	for range 3000 {
		before, by := interesting(), interesting()
		must(s.Put(t.Context(), key, backends.Value{Data: strconv.AppendInt(nil, before, 10)}, backends.WriteOptions{}))(t)
		sum := new(big.Int).Add(big.NewInt(before), big.NewInt(by))
		value, _, err := s.Increment(t.Context(), key, backends.Increment{By: by}, backends.WriteOptions{})
		if !sum.IsInt64() {
			wantCode(t, err, problem.Unprocessable)
		} else if err != nil || value != sum.Int64() {
			t.Fatalf("%d%+d gave %d, %v; want %s", before, by, value, err, sum)
		}
	}
}

func TestIncrementComparesBoundsExactly(t *testing.T) {
	s, key := open(t, shared.Addr).State(StateOptions{}), fresh(t)
	for range 1000 {
		value, low, high := interesting(), interesting(), interesting()
		must(s.Put(t.Context(), key, backends.Value{Data: strconv.AppendInt(nil, value, 10)}, backends.WriteOptions{}))(t)
		_, _, err := s.Increment(t.Context(), key, backends.Increment{Min: &low, Max: &high}, backends.WriteOptions{})
		if within := low <= value && value <= high; within != (err == nil) {
			t.Fatalf("%d within %d and %d: %v", value, low, high, err)
		}
	}
}

func TestRawCountersAreOthersCounters(t *testing.T) {
	conn := open(t, shared.Addr)
	s, key := conn.State(StateOptions{Encoding: EncodingRaw}), fresh(t)
	if err := conn.Client().Set(t.Context(), key, 41, time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	if value := add(t, s, key, 1); value != 42 {
		t.Fatalf("got %d", value)
	}
	if theirs := conn.Client().Incr(t.Context(), key).Val(); theirs != 43 {
		t.Fatalf("others count to %d", theirs)
	}
	if left := conn.Client().PTTL(t.Context(), key).Val(); left < 59*time.Minute {
		t.Fatalf("%s are left of an hour", left)
	}
	add(t, s, fresh(t), 5)
}

func TestCounterOverForeignValues(t *testing.T) {
	conn := open(t, shared.Addr)
	s, text, list := conn.State(StateOptions{}), fresh(t), fresh(t)
	conn.Client().Set(t.Context(), text, "5", 0)
	conn.Client().LPush(t.Context(), list, "5")
	for _, key := range []string{text, list} {
		for _, operation := range []backends.Operation{addOp(key, 1), {Kind: backends.OperationGet, Key: key}} {
			results, err := s.Transact(t.Context(), []backends.Operation{putOp(key+"/other", "x"), operation})
			wantCode(t, err, problem.ForeignValue)
			wantCode(t, results[1].Err, problem.ForeignValue)
			_, err = s.Get(t.Context(), key+"/other", backends.ReadOptions{})
			wantCode(t, err, problem.NoSuchKey)
		}
	}
	must(s.Transact(t.Context(), []backends.Operation{putOp(text, "x"), putOp(list, "x")}))(t) // as a plain Put may
}

func TestTransactionReadsEveryEnvelope(t *testing.T) {
	s := open(t, shared.Addr).State(StateOptions{})
	for _, length := range []int{0, 1, 255, 256, 300, math.MaxUint16} {
		contentType := string(bytes.Repeat([]byte{'t'}, length))
		for _, fence := range []uint64{0, 7} {
			key := fresh(t)
			stored := must(envelope{tag: newTag(), fence: fence, value: backends.Value{ContentType: contentType, Data: []byte("41")}}.encode())(t)
			if err := s.conn.Client().Set(t.Context(), key, stored, 0).Err(); err != nil {
				t.Fatal(err)
			}
			add(t, s, key, 1)
			results := must(s.Transact(t.Context(), []backends.Operation{{Kind: backends.OperationGet, Key: key}}))(t)
			if item := results[0]; item.ContentType != contentType || string(item.Data) != "42" {
				t.Fatalf("read %q of a type of %d bytes, want %d", item.Data, len(item.ContentType), length)
			}
		}
	}
}

func TestDamagedEnvelopesAreForeignToTransactions(t *testing.T) {
	s := open(t, shared.Addr).State(StateOptions{})
	whole := must(envelope{tag: newTag(), value: backends.Value{ContentType: "t", Data: []byte("1")}}.encode())(t)
	long := bytes.Clone(whole)
	binary.BigEndian.PutUint16(long[flagsAt+1:], 3)
	flagged := bytes.Clone(whole)
	flagged[flagsAt] = 2
	for _, stored := range [][]byte{whole[:headSize-1], whole[:headSize], long, flagged, {}} {
		key := fresh(t)
		s.conn.Client().Set(t.Context(), key, stored, 0)
		_, _, err := s.Increment(t.Context(), key, backends.Increment{By: 1}, backends.WriteOptions{})
		wantCode(t, err, problem.ForeignValue)
		_, err = s.Transact(t.Context(), []backends.Operation{{Kind: backends.OperationGet, Key: key}})
		wantCode(t, err, problem.ForeignValue)
	}
}

func TestLostReplyOfAnIncrementIsAppliedOnceAndTellsTheTag(t *testing.T) {
	p := newProxy(t, shared.Addr)
	s, key := open(t, p.addr).State(StateOptions{}), fresh(t)
	add(t, s, key, 1)
	p.lose.Store(true)
	_, _, err := s.Increment(t.Context(), key, backends.Increment{By: 1}, backends.WriteOptions{})
	failure := wantCode(t, err, problem.Unavailable)
	item := must(s.Get(t.Context(), key, backends.ReadOptions{}))(t)
	if !failure.Unknown || failure.ETag != item.ETag || string(item.Data) != "2" {
		t.Fatalf("unknown %v with tag %q; stored %q with %q", failure.Unknown, failure.ETag, item.Data, item.ETag)
	}
}

func TestLostReplyOfATransactionTellsTheTags(t *testing.T) {
	p := newProxy(t, shared.Addr)
	s, one, two := open(t, p.addr).State(StateOptions{}), fresh(t), fresh(t)
	add(t, s, two, 1)
	p.lose.Store(true)
	results, err := s.Transact(t.Context(), []backends.Operation{putOp(one, "x"), addOp(two, 1)})
	if failure := wantCode(t, err, problem.Unavailable); !failure.Unknown || len(results) != 2 {
		t.Fatalf("unknown %v, %d results", failure.Unknown, len(results))
	}
	for i, key := range []string{one, two} {
		if item := must(s.Get(t.Context(), key, backends.ReadOptions{}))(t); item.ETag != results[i].ETag {
			t.Fatalf("stored %q, told %q", item.ETag, results[i].ETag)
		}
	}
}

func TestTransactionIsOneCommand(t *testing.T) {
	conn := open(t, shared.Addr)
	s := conn.State(StateOptions{})
	operations := []backends.Operation{putOp(fresh(t), "x"), addOp(fresh(t), 1)}
	must(s.Transact(t.Context(), operations))(t)
	before := conn.Stats().Commands
	must(s.Transact(t.Context(), operations))(t)
	if sent := conn.Stats().Commands - before; sent != 1 {
		t.Fatalf("it took %d commands", sent)
	}
}

func TestUnknownOperationIsRefused(t *testing.T) {
	s, key := open(t, shared.Addr).State(StateOptions{}), fresh(t)
	results, err := s.Transact(t.Context(), []backends.Operation{putOp(key, "x"), {Kind: "append", Key: key}})
	wantCode(t, err, problem.InvalidParameter)
	wantCode(t, results[1].Err, problem.InvalidParameter)
	_, err = s.Get(t.Context(), key, backends.ReadOptions{})
	wantCode(t, err, problem.NoSuchKey)
}

func TestFencesAreKeptForLongAndRenewed(t *testing.T) {
	conn := open(t, shared.Addr)
	s, key, resource := conn.State(StateOptions{}), fresh(t), fresh(t)
	fenced := backends.WriteOptions{Fence: &backends.Fence{Resource: resource, Token: 1}}
	name := s.fenceKey(fenced.Fence, key)
	for range 2 {
		must(s.Put(t.Context(), key, backends.Value{}, fenced))(t)
		if left := conn.Client().PTTL(t.Context(), name).Val(); left < 29*24*time.Hour {
			t.Fatalf("it is remembered for %s", left)
		}
		conn.Client().PExpire(t.Context(), name, time.Hour)
	}
	page := must(conn.State(StateOptions{Encoding: EncodingRaw}).List(t.Context(), name, backends.ListOptions{Limit: 9}))(t)
	if len(page.Items) != 0 {
		t.Fatal("a listing shows the fence")
	}
}

func TestTransactionsOfACluster(t *testing.T) {
	set := servers.NewRedisCluster(t, 3)
	conn := openWith(t, Config{Addresses: set.Addresses(), Mode: Cluster})
	s := conn.State(StateOptions{})
	t.Run("one slot", func(t *testing.T) {
		results := must(s.Transact(t.Context(), []backends.Operation{putOp("a/{7}/x", "x"), addOp("b/{7}/y", 3)}))(t)
		if item := must(s.Get(t.Context(), "b/{7}/y", backends.ReadOptions{}))(t); string(item.Data) != "3" || item.ETag != results[1].ETag {
			t.Fatalf("stored %+v", item)
		}
	})
	t.Run("two slots", func(t *testing.T) {
		_, err := s.Transact(t.Context(), []backends.Operation{putOp("two/a", "x"), putOp("two/b", "x")})
		wantCode(t, err, problem.CrossSlot)
		_, err = s.Get(t.Context(), "two/a", backends.ReadOptions{})
		wantCode(t, err, problem.NoSuchKey)
	})
	t.Run("fences", func(t *testing.T) {
		for _, key := range awkwardForSlots() {
			clusterFence(t, s, key)
		}
	})
	t.Run("slots", func(t *testing.T) {
		for _, key := range awkwardForSlots() {
			if theirs := conn.Client().ClusterKeySlot(t.Context(), key).Val(); int64(slot(key)) != theirs {
				t.Errorf("%q is in slot %d, computed %d", key, theirs, slot(key))
			}
		}
	})
}

func awkwardForSlots() []string {
	return append(numbered("plain/", 20), "{a}b", "x{a}b", "{}a", "a}b", "a{b", "{{a}}b", "}{", "{", "}", "a{}{b}c", "é{ü}ß", "\xff{\xfe}")
}

func clusterFence(t *testing.T, s *State, key string) {
	t.Helper()
	options := func(token uint64) backends.WriteOptions {
		return backends.WriteOptions{Fence: &backends.Fence{Resource: "re{s}ource of " + key, Token: token}}
	}
	must(s.Put(t.Context(), key, backends.Value{}, options(10)))(t)
	_, err := s.Put(t.Context(), key, backends.Value{}, options(9))
	wantCode(t, err, problem.StaleFence)
	if err := s.Delete(t.Context(), key, options(11)); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Increment(t.Context(), key, backends.Increment{By: 1}, options(10))
	wantCode(t, err, problem.StaleFence)
}

func TestNeighbourIsInTheSlot(t *testing.T) {
	for _, key := range append(awkwardForSlots(), "", "{}") {
		if there := "x{" + neighbour(key) + "}y"; slot(there) != slot(key) {
			t.Errorf("%q is in slot %d, %q in %d", key, slot(key), there, slot(there))
		}
	}
}

// TestTransfersUnderCuts moves money while connections break: what is said to
// be done or not done is.
func TestTransfersUnderCuts(t *testing.T) {
	p := newProxy(t, shared.Addr)
	s, log, account := open(t, p.addr).State(StateOptions{}), fresh(t), fresh(t)
	done, unknown := int64(0), int64(0)
	for i := range 300 {
		p.lose.Store(i%7 == 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := s.Transact(ctx, []backends.Operation{addOp(account, 1), addOp(log, 1)})
		cancel()
		switch {
		case err == nil:
			done++
		case problem.From(err).Unknown:
			unknown++
		}
	}
	p.lose.Store(false)
	steady := open(t, shared.Addr).State(StateOptions{})
	one, two := add(t, steady, account, 0), add(t, steady, log, 0)
	if one != two || one < done || one > done+unknown || unknown == 0 {
		t.Fatalf("%d and %d counted of %d done and %d unknown", one, two, done, unknown)
	}
}
