package conformance

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

func tailChecks() []check[*pubsubBed] {
	return []check[*pubsubBed]{
		{"earliest sees all, then what comes", tailEarliest},
		{"latest sees what comes after it", tailLatest},
		{"time sees the first record not before it", tailTime},
		{"time after the end sees what comes", tailFuture},
		{"cursor resumes without a gap on a second connection", tailResume},
		{"every delivery's cursor is the place behind it", tailEveryCursor},
		{"cursor before the first record is good for resuming", tailFirstCursor},
		{"damaged cursor is refused", tailDamaged},
		{"cursor of another topic is refused", tailForeign},
		{"cursor behind retention is expired, or skips with a gap", tailExpired},
		{"order within a partition is the broker's", tailOrder},
		{"aborted transactions are not seen", tailAborted},
		{"20 readers see all, each from its own place", tailMany},
		{"cancelled context ends a wait, and nothing is lost", tailCancelled},
		{"closed reader ends, twice closed too", tailClosed},
	}
}

func numbers(from, to int) []string {
	var values []string
	for i := from; i < to; i++ {
		values = append(values, strconv.Itoa(i))
	}
	return values
}

func tailEarliest(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	b.sendValues(t, topic, numbers(0, 5)...)
	tail := b.fromStart(t, topic)
	wantValues(t, tail, numbers(0, 5)...)
	wantNothing(t, tail)
	b.sendValues(t, topic, numbers(5, 8)...)
	wantValues(t, tail, numbers(5, 8)...)
}

func tailLatest(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	b.sendValues(t, topic, numbers(0, 5)...)
	tail := b.tail(t, topic, backends.Start{})
	b.sendValues(t, topic, numbers(5, 8)...)
	wantValues(t, tail, numbers(5, 8)...)
	wantNothing(t, tail)
}

func tailTime(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	base := time.Now().Add(-time.Hour).Truncate(time.Second)
	client := b.stranger(t, kgo.DefaultProduceTopic(topic))
	for i := range 6 {
		record := &kgo.Record{Timestamp: base.Add(time.Duration(i) * time.Minute), Value: []byte(strconv.Itoa(i))}
		if err := client.ProduceSync(brief(t), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	wantValues(t, b.tail(t, topic, backends.Start{Time: base.Add(3 * time.Minute)}), "3", "4", "5")
	wantValues(t, b.tail(t, topic, backends.Start{Time: base.Add(3*time.Minute + time.Second)}), "4", "5")
}

func tailFuture(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 2)
	b.sendValues(t, topic, numbers(0, 4)...)
	tail := b.tail(t, topic, backends.Start{Time: time.Now().Add(time.Hour)})
	b.sendValues(t, topic, "new")
	wantValues(t, tail, "new")
}

func tailResume(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 3)
	b.sendValues(t, topic, numbers(0, 30)...)
	first := b.fromStart(t, topic)
	seen := map[string]bool{}
	for range 13 {
		seen[string(receive(t, first).Value)] = true
	}
	cursor := first.Cursor()
	_ = first.Close()
	b.sendValues(t, topic, numbers(30, 40)...)
	second := connectKafka(t, b.address).tail(t, topic, backends.Start{Cursor: cursor})
	for range 27 {
		value := string(receive(t, second).Value)
		if seen[value] {
			t.Fatalf("%s came twice", value)
		}
		seen[value] = true
	}
	wantNothing(t, second)
	if len(seen) != 40 {
		t.Fatalf("%d of 40 seen", len(seen))
	}
}

func tailEveryCursor(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	b.sendValues(t, topic, numbers(0, 6)...)
	tail := b.fromStart(t, topic)
	for i := range 5 {
		delivery := receive(t, tail)
		if delivery.Cursor != tail.Cursor() {
			t.Fatalf("after record %d the tail is elsewhere", i)
		}
		wantValues(t, b.tail(t, topic, backends.Start{Cursor: delivery.Cursor}), strconv.Itoa(i+1))
	}
}

func tailFirstCursor(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 2)
	cursor := b.tail(t, topic, backends.Start{}).Cursor()
	b.sendValues(t, topic, "a")
	wantValues(t, b.tail(t, topic, backends.Start{Cursor: cursor}), "a")
}

func tailDamaged(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 2)
	b.sendValues(t, topic, numbers(0, 4)...)
	good := b.tail(t, topic, backends.Start{}).Cursor()
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		raw[i] ^= 4
		wantBadCursor(t, b, topic, base64.RawURLEncoding.EncodeToString(raw))
		raw[i] ^= 4
	}
	for _, cursor := range []string{"x", "%%", "ü", good[:4], good + good, strings.Repeat("A", 100_000)} {
		wantBadCursor(t, b, topic, cursor)
	}
}

func wantBadCursor(t *testing.T, b *pubsubBed, topic, cursor string) {
	t.Helper()
	_, err := b.Tail(brief(t), topic, backends.Start{Cursor: cursor})
	wantCode(t, err, problem.InvalidCursor)
}

func tailForeign(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	other := ""
	t.Run("other", func(t *testing.T) { other = b.topic(t, 1) })
	wantBadCursor(t, b, topic, b.tail(t, other, backends.Start{}).Cursor())
}

func tailExpired(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	b.sendValues(t, topic, numbers(0, 10)...)
	cursor := receive(t, b.fromStart(t, topic)).Cursor
	b.expire(t, topic, 0, 6)
	_, err := b.Tail(brief(t), topic, backends.Start{Cursor: cursor})
	wantCode(t, err, problem.CursorExpired)
	tail := b.tail(t, topic, backends.Start{Cursor: cursor, SkipLost: true})
	if first := receive(t, tail); string(first.Value) != "6" || !first.Gap {
		t.Fatalf("%q, gap %v", first.Value, first.Gap)
	}
	if second := receive(t, tail); string(second.Value) != "7" || second.Gap {
		t.Fatalf("%q, gap %v", second.Value, second.Gap)
	}
}

func tailOrder(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 3)
	for i := range 120 {
		b.send(t, topic, backends.Message{Key: []byte(strconv.Itoa(i % 10)), Value: []byte(strconv.Itoa(i))})
	}
	tail := b.fromStart(t, topic)
	next, last := map[int32]int64{}, map[string]int{}
	for range 120 {
		d := receive(t, tail)
		if d.Offset != next[d.Partition] {
			t.Fatalf("partition %d: offset %d after %d", d.Partition, d.Offset, next[d.Partition]-1)
		}
		next[d.Partition]++
		number, _ := strconv.Atoi(string(d.Value)) // what was sent above
		if before, ok := last[string(d.Key)]; ok && number != before+10 {
			t.Fatalf("key %s: %d after %d", d.Key, number, before)
		}
		last[string(d.Key)] = number
	}
}

func tailAborted(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	client := b.stranger(t, kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic))
	for i, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		record := kgo.StringRecord(strconv.Itoa(i))
		if err := client.ProduceSync(brief(t), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(brief(t), end); err != nil {
			t.Fatal(err)
		}
	}
	b.sendValues(t, topic, "plain")
	tail := b.fromStart(t, topic)
	wantValues(t, tail, "1", "plain")
	b.sendValues(t, topic, "live")
	wantValues(t, tail, "live")
}

func tailMany(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	b.sendValues(t, topic, numbers(0, 20)...)
	walk := b.fromStart(t, topic)
	var readers sync.WaitGroup
	for i := range 20 {
		tail := b.tail(t, topic, backends.Start{Cursor: walk.Cursor()})
		receive(t, walk)
		readers.Go(func() {
			for want := i; want < 60; want++ {
				if d, err := tail.Next(brief(t)); err != nil || string(d.Value) != strconv.Itoa(want) {
					t.Errorf("reader %d: %q instead of %d, %v", i, d.Value, want, err)
					return
				}
			}
		})
	}
	b.sendValues(t, topic, numbers(20, 60)...)
	readers.Wait()
}

func tailCancelled(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	tail := b.tail(t, topic, backends.Start{})
	for i := range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*20*time.Millisecond)
		begin := time.Now()
		if _, err := tail.Next(ctx); err == nil || time.Since(begin) > time.Second {
			t.Fatalf("%v after %v", err, time.Since(begin))
		}
		cancel()
	}
	b.sendValues(t, topic, "still there")
	wantValues(t, tail, "still there")
}

func tailClosed(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	tail := b.tail(t, topic, backends.Start{})
	time.AfterFunc(100*time.Millisecond, func() { _, _ = tail.Close(), tail.Close() })
	if d, err := tail.Next(brief(t)); err == nil {
		t.Fatalf("%+v", d)
	}
	if _, err := tail.Next(brief(t)); err == nil {
		t.Fatal("a closed reader reads")
	}
}
