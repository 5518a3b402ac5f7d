package kafka

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

func fill(t *testing.T, c *Conn, topic string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		publish(t, c, topic, strconv.Itoa(i))
	}
}

// read takes values until all of want numbers were seen once.
func read(t *testing.T, tail backends.Tail, count int) []string {
	t.Helper()
	var values []string
	for range count {
		values = append(values, string(next(t, tail).Value))
	}
	return values
}

func quiet(t *testing.T, tail backends.Tail) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if d, err := tail.Next(ctx); err == nil {
		t.Fatalf("there is more: %+v", d)
	}
}

func TestEarliestThenLive(t *testing.T) {
	conn, _ := dial(t)
	fill(t, conn, "a", 0, 5)
	tail := tailOf(t, conn, "a", backends.Start{From: backends.FromEarliest})
	if got := strings.Join(read(t, tail, 5), ""); got != "01234" {
		t.Fatal(got)
	}
	quiet(t, tail)
	fill(t, conn, "a", 5, 8)
	if got := strings.Join(read(t, tail, 3), ""); got != "567" {
		t.Fatal(got)
	}
}

func TestLatestMissesNothingAfterTail(t *testing.T) {
	conn, _ := dial(t)
	fill(t, conn, "b", 0, 5)
	tail := tailOf(t, conn, "b", backends.Start{})
	fill(t, conn, "b", 5, 8)
	if got := len(read(t, tail, 3)); got != 3 {
		t.Fatal(got)
	}
	quiet(t, tail)
}

func TestNewsArrivesAtOnce(t *testing.T) {
	conn, _ := dial(t)
	tail := tailOf(t, conn, "a", backends.Start{})
	quiet(t, tail)
	for range 5 {
		begin := time.Now()
		publish(t, conn, "a", "x")
		next(t, tail)
		if took := time.Since(begin); took > 200*time.Millisecond {
			t.Fatalf("a record took %v", took)
		}
	}
}

func TestTimeStartsAtTheFirstRecordNotBefore(t *testing.T) {
	conn, cluster := dial(t)
	client := admin(t, cluster, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 10 {
		record := &kgo.Record{Topic: "a", Timestamp: base.Add(time.Duration(i) * time.Minute), Value: []byte(strconv.Itoa(i))}
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	tail := tailOf(t, conn, "a", backends.Start{Time: base.Add(4*time.Minute - time.Second)})
	if got := string(next(t, tail).Value); got != "4" {
		t.Fatal(got)
	}
	quiet(t, tailOf(t, conn, "a", backends.Start{Time: base.Add(time.Hour)}))
}

// TestEveryCursorResumes stops a reader after each record in turn: two readers
// together always see every record once.
func TestEveryCursorResumes(t *testing.T) {
	conn, _ := dial(t)
	fill(t, conn, "b", 0, 12)
	for stop := range 12 {
		tail := tailOf(t, conn, "b", backends.Start{From: backends.FromEarliest})
		seen := map[string]bool{}
		for range stop {
			seen[string(next(t, tail).Value)] = true
		}
		rest := tailOf(t, conn, "b", backends.Start{Cursor: tail.Cursor()})
		for range 12 - stop {
			value := string(next(t, rest).Value)
			if seen[value] {
				t.Fatalf("%s came twice (stopped after %d)", value, stop)
			}
			seen[value] = true
		}
		if len(seen) != 12 {
			t.Fatalf("stopped after %d: saw %v", stop, seen)
		}
	}
}

func TestCursorOfADeliveryIsThePlaceBehindIt(t *testing.T) {
	conn, _ := dial(t)
	fill(t, conn, "a", 0, 3)
	tail := tailOf(t, conn, "a", backends.Start{From: backends.FromEarliest})
	first := next(t, tail)
	if first.Cursor != tail.Cursor() {
		t.Fatal("the tail's cursor is another one")
	}
	if got := string(next(t, tailOf(t, conn, "a", backends.Start{Cursor: first.Cursor})).Value); got != "1" {
		t.Fatal(got)
	}
}

func TestBadCursors(t *testing.T) {
	conn, _ := dial(t)
	fill(t, conn, "a", 0, 3)
	good := tailOf(t, conn, "a", backends.Start{}).Cursor()
	foreign := tailOf(t, conn, "b", backends.Start{}).Cursor()
	ahead := encodeCursor(topicHash(mustTopic(t, conn, "a")), []int64{4})
	for _, cursor := range []string{
		"x", "====", strings.Repeat("A", maxCursor+1), good[:len(good)-1], good + "A", "B" + good[1:], flip(good), foreign, ahead,
		encodeCursor(topicHash(mustTopic(t, conn, "a")), []int64{0, 0}),
		encodeCursor(topicHash(mustTopic(t, conn, "a")), []int64{-1}),
	} {
		_, err := conn.Subscriber().Tail(within(t, testPatience), "a", backends.Start{Cursor: cursor})
		wantCode(t, err, problem.InvalidCursor)
	}
}

func flip(cursor string) string {
	middle := []byte(cursor)
	middle[len(middle)/2] ^= 1
	return string(middle)
}

func mustTopic(t *testing.T, c *Conn, name string) *topic {
	t.Helper()
	s, err := c.reading.get(within(t, testPatience))
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.topics.get(within(t, testPatience), name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestCursorOfAnEarlierTopicOfThatName(t *testing.T) {
	conn, cluster := dial(t)
	cursor := tailOf(t, conn, "a", backends.Start{}).Cursor()
	if err := cluster.DeleteTopic("a"); err != nil {
		t.Fatal(err)
	}
	if err := cluster.CreateTopic("a", 1, nil); err != nil {
		t.Fatal(err)
	}
	second := open(t, Config{Brokers: cluster.ListenAddrs()})
	_, err := second.Subscriber().Tail(within(t, testPatience), "a", backends.Start{Cursor: cursor})
	wantCode(t, err, problem.InvalidCursor)
}

func TestRetentionTakesRecordsBehindACursor(t *testing.T) {
	conn, cluster := dial(t)
	fill(t, conn, "a", 0, 10)
	tail := tailOf(t, conn, "a", backends.Start{From: backends.FromEarliest})
	cursor := next(t, tail).Cursor
	if err := cluster.DeleteRecords("a", 0, 6); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Subscriber().Tail(within(t, testPatience), "a", backends.Start{Cursor: cursor})
	wantCode(t, err, problem.CursorExpired)
	skipping := tailOf(t, conn, "a", backends.Start{Cursor: cursor, SkipLost: true})
	if first := next(t, skipping); string(first.Value) != "6" || !first.Gap {
		t.Fatalf("%+v", first)
	}
	if second := next(t, skipping); string(second.Value) != "7" || second.Gap {
		t.Fatalf("%+v", second)
	}
}

func TestRetentionOvertakesASlowReader(t *testing.T) {
	conn, cluster := dial(t)
	value := strings.Repeat("x", 100_000)
	for range 10 { // more than one answer holds
		publish(t, conn, "a", value)
	}
	strict := tailOf(t, conn, "a", backends.Start{From: backends.FromEarliest})
	lenient := tailOf(t, conn, "a", backends.Start{From: backends.FromEarliest, SkipLost: true})
	next(t, strict)
	next(t, lenient)
	if err := cluster.DeleteRecords("a", 0, 9); err != nil {
		t.Fatal(err)
	}
	gaps := 0
	for offset := int64(0); offset < 9; {
		d := next(t, lenient)
		offset = d.Offset
		if d.Gap {
			gaps++
		}
	}
	if gaps != 1 {
		t.Fatalf("%d gaps", gaps)
	}
	for {
		if _, err := strict.Next(within(t, testPatience)); err != nil {
			wantCode(t, err, problem.CursorExpired)
			return
		}
	}
}

func TestPartitionsAddedLaterAreRead(t *testing.T) {
	conn, cluster := dial(t)
	tail := tailOf(t, conn, "a", backends.Start{})
	quiet(t, tail)
	cursor := tail.Cursor()
	addPartitions(t, cluster, "a", 3)
	client := admin(t, cluster, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for partition := range int32(3) {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Partition: partition, Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[int32]bool{}
	for range 3 {
		seen[next(t, tail).Partition] = true
	}
	resumed := tailOf(t, conn, "a", backends.Start{Cursor: cursor})
	for range 3 {
		seen[next(t, resumed).Partition] = true
	}
	if len(seen) != 3 {
		t.Fatalf("%v", seen)
	}
}

// TestReadersAreIndependent: many readers at many places share one reader of
// the topic; each sees all records of its part in order.
func TestReadersAreIndependent(t *testing.T) {
	conn, _ := dial(t)
	fill(t, conn, "a", 0, 50)
	var readers sync.WaitGroup
	for i := range 20 {
		start := backends.Start{From: backends.FromEarliest}
		if i > 0 {
			start = backends.Start{Cursor: encodeCursor(topicHash(mustTopic(t, conn, "a")), []int64{int64(i)})}
		}
		tail := tailOf(t, conn, "a", start)
		readers.Go(func() {
			for want := int64(i); want < 150; want++ {
				d, err := tail.Next(within(t, testPatience))
				if err != nil || d.Offset != want {
					t.Errorf("reader %d: offset %d instead of %d: %v", i, d.Offset, want, err)
					return
				}
			}
		})
	}
	fill(t, conn, "a", 50, 150)
	readers.Wait()
	conn.readers.mu.Lock()
	defer conn.readers.mu.Unlock()
	if len(conn.readers.open) != 1 {
		t.Fatalf("%d hubs", len(conn.readers.open))
	}
}

// TestReaderBehindTheWindow: a reader that has caught up once and then fell
// behind what is remembered fetches for itself and loses nothing.
func TestReaderBehindTheWindow(t *testing.T) {
	conn, cluster := dial(t)
	tail := tailOf(t, conn, "a", backends.Start{})
	quiet(t, tail)
	client := admin(t, cluster)
	const count = windowItems + 500
	records := make([]*kgo.Record, count)
	for i := range records {
		records[i] = &kgo.Record{Topic: "a", Value: []byte(strconv.Itoa(i))}
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	hub := tail.(interface{ joined() *hub }).joined()
	until(t, func() bool { hub.mu.Lock(); defer hub.mu.Unlock(); return hub.windows[0].next == count })
	for want := range int64(count) {
		if got := next(t, tail); got.Offset != want {
			t.Fatalf("offset %d instead of %d", got.Offset, want)
		}
	}
}

func TestAbortedTransactionsAreInvisible(t *testing.T) {
	conn, cluster := dial(t)
	client := admin(t, cluster, kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("a"))
	for i, commit := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for j := range 3 {
			if err := client.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprintf("%d%d", i, j))).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := client.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	tail := tailOf(t, conn, "a", backends.Start{From: backends.FromEarliest})
	if got := strings.Join(read(t, tail, 6), " "); got != "10 11 12 30 31 32" {
		t.Fatal(got)
	}
	quiet(t, tail)
	publish(t, conn, "a", "after")
	if got := string(next(t, tail).Value); got != "after" {
		t.Fatal(got)
	}
}

func TestCompressedRecordsAreRead(t *testing.T) {
	conn, cluster := dial(t)
	for _, codec := range []kgo.CompressionCodec{kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		client := admin(t, cluster, kgo.ProducerBatchCompression(codec))
		value := strings.Repeat("compressible ", 100)
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Value: []byte(value)}, &kgo.Record{Topic: "a", Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	tail := tailOf(t, conn, "a", backends.Start{From: backends.FromEarliest})
	for _, value := range read(t, tail, 8) {
		if len(value) != 1300 {
			t.Fatal(value)
		}
	}
}

func TestUnknownTopic(t *testing.T) {
	conn, _ := dial(t)
	_, err := conn.Subscriber().Tail(within(t, testPatience), "nowhere", backends.Start{})
	wantCode(t, err, problem.NoSuchTopic)
	_, err = conn.Subscriber().Tail(within(t, testPatience), "no where", backends.Start{})
	wantCode(t, err, problem.InvalidName)
}

func TestDeletedTopicEndsItsReaders(t *testing.T) {
	conn, cluster := dial(t)
	tail := tailOf(t, conn, "a", backends.Start{})
	quiet(t, tail)
	if err := cluster.DeleteTopic("a"); err != nil {
		t.Fatal(err)
	}
	_, err := tail.Next(within(t, testPatience))
	wantCode(t, err, problem.NoSuchTopic)
}

// TestReaderOutlivesABlip: connections that break are made anew without the
// reader noticing.
func TestReaderOutlivesABlip(t *testing.T) {
	faulty := newFaultyListener(t)
	conn, cluster := dial(t, kfake.ListenFn(faulty.listen))
	tail := tailOf(t, conn, "a", backends.Start{})
	quiet(t, tail)
	for i := range 3 {
		cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			faulty.cutNext.Store(true)
			cluster.DropControl()
			return nil, nil, false
		})
		fill(t, conn, "a", i, i+1)
		if got := string(next(t, tail).Value); got != strconv.Itoa(i) {
			t.Fatal(got)
		}
	}
}

func TestReaderIsToldOfALongOutage(t *testing.T) {
	conn, cluster := dial(t)
	tail := tailOf(t, conn, "a", backends.Start{})
	quiet(t, tail)
	cluster.Close()
	_, err := tail.Next(within(t, patience+testPatience))
	wantCode(t, err, problem.Unavailable)
	_, err = conn.Subscriber().Tail(within(t, time.Second), "a", backends.Start{})
	wantCode(t, err, problem.Unavailable)
}

func TestCloseWakesNext(t *testing.T) {
	conn, _ := dial(t)
	tail := tailOf(t, conn, "a", backends.Start{})
	time.AfterFunc(50*time.Millisecond, func() { _ = tail.Close() })
	_, err := tail.Next(within(t, testPatience))
	wantCode(t, err, problem.ShuttingDown)
}

// TestCursorRoundTrip: every cursor gives its positions back, and no damage of
// one byte goes unnoticed.
func TestCursorRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		positions := rapid.SliceOfN(rapid.Int64Min(0), 1, 50).Draw(t, "positions")
		of := &topic{name: rapid.String().Draw(t, "name"), partitions: int32(len(positions))}
		cursor := encodeCursor(topicHash(of), positions)
		got, err := decodeCursor(of, cursor)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(positions) {
			t.Fatalf("%v became %v: %v", positions, got, err)
		}
		damaged := []byte(cursor)
		at := rapid.IntRange(0, len(damaged)-1).Draw(t, "at")
		damaged[at] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[rapid.IntRange(0, 63).Draw(t, "to")]
		if _, err := decodeCursor(of, string(damaged)); err == nil && string(damaged) != cursor {
			t.Fatalf("%s was accepted in place of %s", damaged, cursor)
		}
	})
}
