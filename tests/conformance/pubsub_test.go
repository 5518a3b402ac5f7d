package conformance

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

func TestPubSub(t *testing.T) { conform(t, pubsubDrivers(), pubsubChecks(), pubsubMutants()) }

func pubsubChecks() []check[*pubsubBed] {
	return append([]check[*pubsubBed]{
		{"receipt has partition, growing offsets and a time", pubsubReceipt},
		{"bytes 0 to 255 come back identical", pubsubBinary},
		{"numbers of many digits come back identical", pubsubNumbers},
		{"another client reads what was published", pubsubStranger},
		{"headers keep names, order and bytes", pubsubHeaders},
		{"key comes back, none is none", pubsubKeys},
		{"empty value is empty", pubsubEmpty},
		{"tombstone is null", pubsubTombstone},
		{"equal keys share a partition, that of Kafka's own clients", pubsubKeyRouting},
		{"explicit partition is honoured", pubsubPartition},
		{"partition that does not exist is refused", pubsubNoPartition},
		{"records without a key are spread", pubsubSpread},
		{"unknown topic is told fast, to both sides", pubsubNoTopic},
		{"impossible topic name is refused", pubsubBadName},
		{"largest record passes, a larger one is refused", pubsubOversize},
		{"record over the topic's own limit is refused", pubsubTopicLimit},
		{"record that the topic's settings forbid is refused", pubsubCompacted},
		{"cancelled context publishes nothing", pubsubCancelled},
		{"200 publishers at once, each its own place", pubsubParallel},
	}, tailChecks()...)
}

func pubsubReceipt(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	for want := range int64(5) {
		got := b.send(t, topic, backends.Message{Value: []byte("x")})
		if got.Partition != 0 || got.Offset != want || time.Since(got.Timestamp).Abs() > time.Minute {
			t.Fatalf("%+v, want offset %d", got, want)
		}
	}
}

func pubsubBinary(t *testing.T, b *pubsubBed) {
	value := make([]byte, 256)
	for i := range value {
		value[i] = byte(i)
	}
	topic := b.topic(t, 1)
	b.send(t, topic, backends.Message{Key: value, Value: value})
	got := receive(t, b.fromStart(t, topic))
	if !bytes.Equal(got.Value, value) || !bytes.Equal(got.Key, value) {
		t.Fatalf("%x and %x", got.Key, got.Value)
	}
}

func pubsubNumbers(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	values := []string{`{"n":9007199254740993}`, "3.14159265358979323846264338327950288", "1e400", "-0", "10.00"}
	b.sendValues(t, topic, values...)
	wantValues(t, b.fromStart(t, topic), values...)
}

func pubsubStranger(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 3)
	sent := b.send(t, topic, backends.Message{Key: []byte("k"), Value: []byte("v"), Headers: []backends.Header{{Name: "h", Value: []byte("1")}}})
	client := b.stranger(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	fetches := client.PollFetches(brief(t))
	records := fetches.Records()
	if len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), fetches.Err())
	}
	got := records[0]
	if got.Partition != sent.Partition || got.Offset != sent.Offset || string(got.Key) != "k" || string(got.Value) != "v" || len(got.Headers) != 1 || !got.Timestamp.Equal(sent.Timestamp) {
		t.Fatalf("%+v is not %+v", got, sent)
	}
}

func pubsubHeaders(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	sent := []backends.Header{{Name: "twice", Value: []byte("1")}, {Name: "other", Value: []byte{0, 255}}, {Name: "twice", Value: []byte("2")}, {Name: "Ünï", Value: []byte{}}}
	b.send(t, topic, backends.Message{Headers: sent})
	got := receive(t, b.fromStart(t, topic)).Headers
	if len(got) != len(sent) {
		t.Fatalf("%v", got)
	}
	for i := range sent {
		if got[i].Name != sent[i].Name || !bytes.Equal(got[i].Value, sent[i].Value) {
			t.Fatalf("header %d is %v, want %v", i, got[i], sent[i])
		}
	}
}

func pubsubKeys(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	for _, key := range [][]byte{nil, {}, []byte("k/ü\x00")} {
		b.send(t, topic, backends.Message{Key: key})
	}
	tail := b.fromStart(t, topic)
	if got := receive(t, tail); got.Key != nil {
		t.Fatalf("no key became %q", got.Key)
	}
	if got := receive(t, tail); got.Key == nil || len(got.Key) != 0 {
		t.Fatalf("the empty key became %#v", got.Key)
	}
	if got := receive(t, tail); string(got.Key) != "k/ü\x00" {
		t.Fatalf("%q", got.Key)
	}
}

func pubsubEmpty(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	for _, value := range [][]byte{nil, {}} {
		b.send(t, topic, backends.Message{Value: value})
	}
	tail := b.fromStart(t, topic)
	for range 2 {
		if got := receive(t, tail); got.Value == nil || len(got.Value) != 0 {
			t.Fatalf("%#v", got.Value)
		}
	}
}

func pubsubTombstone(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	b.send(t, topic, backends.Message{Key: []byte("k"), Value: []byte("ignored"), Tombstone: true})
	if got := receive(t, b.fromStart(t, topic)); got.Value != nil || string(got.Key) != "k" {
		t.Fatalf("%+v", got)
	}
}

// pubsubKeyRouting compares with what another vendor's implementation of
// Kafka's default partitioner chooses.
func pubsubKeyRouting(t *testing.T, b *pubsubBed) {
	const partitions = 7
	topic := b.topic(t, partitions)
	kafkas := kgo.StickyKeyPartitioner(nil).ForTopic(topic)
	for i := range 40 {
		key := []byte(strings.Repeat("k", i%5) + strconv.Itoa(i))
		want := int32(kafkas.Partition(&kgo.Record{Key: key}, partitions))
		for range 2 {
			if got := b.send(t, topic, backends.Message{Key: key}); got.Partition != want {
				t.Fatalf("key %q went to %d, want %d", key, got.Partition, want)
			}
		}
	}
}

func pubsubPartition(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 4)
	for partition := range int32(4) {
		got := b.send(t, topic, backends.Message{Key: []byte("same"), Partition: &partition})
		if got.Partition != partition || got.Offset != 0 {
			t.Fatalf("%+v, want partition %d", got, partition)
		}
	}
}

func pubsubNoPartition(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 4)
	for _, partition := range []int32{4, 1 << 30, -1} {
		_, err := b.Publish(brief(t), topic, backends.Message{Partition: &partition})
		wantCode(t, err, problem.Unprocessable)
	}
}

func pubsubSpread(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 4)
	seen := map[int32]int{}
	for range 40 {
		seen[b.send(t, topic, backends.Message{}).Partition]++
	}
	for partition := range int32(4) {
		if seen[partition] < 5 {
			t.Fatalf("%v", seen)
		}
	}
}

func pubsubNoTopic(t *testing.T, b *pubsubBed) {
	begin := time.Now()
	for range 20 {
		_, err := b.Publish(brief(t), "check.nowhere", backends.Message{})
		wantCode(t, err, problem.NoSuchTopic)
		_, err = b.Tail(brief(t), "check.nowhere", backends.Start{})
		wantCode(t, err, problem.NoSuchTopic)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Fatalf("40 answers took %v", took)
	}
}

func pubsubBadName(t *testing.T, b *pubsubBed) {
	for _, name := range []string{"", ".", "..", "a/b", "a b", "ä", strings.Repeat("x", 250)} {
		_, err := b.Publish(brief(t), name, backends.Message{})
		wantCode(t, err, problem.InvalidName)
		_, err = b.Tail(brief(t), name, backends.Start{})
		wantCode(t, err, problem.InvalidName)
	}
}

func pubsubOversize(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	value := bytes.Repeat([]byte("x"), 1_000_000)
	b.send(t, topic, backends.Message{Value: value})
	if got := receive(t, b.fromStart(t, topic)); !bytes.Equal(got.Value, value) {
		t.Fatalf("%d bytes came back", len(got.Value))
	}
	_, err := b.Publish(brief(t), topic, backends.Message{Value: make([]byte, 1_100_000)})
	wantCode(t, err, problem.BodyTooLarge)
}

func pubsubTopicLimit(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1, "max.message.bytes", "2000")
	b.sendValues(t, topic, "small")
	_, err := b.Publish(brief(t), topic, backends.Message{Value: make([]byte, 5000)})
	wantCode(t, err, problem.BodyTooLarge)
	b.sendValues(t, topic, "small again")
	wantValues(t, b.fromStart(t, topic), "small", "small again")
}

// pubsubCompacted also holds the limit of the dev stack: it does not look.
func pubsubCompacted(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1, "cleanup.policy", "compact")
	_, err := b.Publish(brief(t), topic, backends.Message{Value: []byte("no key")})
	if b.lenient {
		wantCode(t, err, "")
	} else {
		wantCode(t, err, problem.Unprocessable)
	}
	b.send(t, topic, backends.Message{Key: []byte("k"), Value: []byte("v")})
}

func pubsubCancelled(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Publish(ctx, topic, backends.Message{Value: []byte("never")})
	wantCode(t, err, problem.ClientClosed)
	b.sendValues(t, topic, "first")
	wantValues(t, b.fromStart(t, topic), "first")
}

func pubsubParallel(t *testing.T, b *pubsubBed) {
	topic := b.topic(t, 3)
	var mutex sync.Mutex
	places := map[string]string{}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			got, err := b.Publish(brief(t), topic, backends.Message{Value: []byte(strconv.Itoa(i))})
			if err != nil {
				t.Error(err)
				return
			}
			mutex.Lock()
			defer mutex.Unlock()
			places[place(got.Partition, got.Offset)] = strconv.Itoa(i)
		})
	}
	all.Wait()
	tail := b.fromStart(t, topic)
	for range 200 {
		got := receive(t, tail)
		if want := places[place(got.Partition, got.Offset)]; want != string(got.Value) {
			t.Fatalf("at %d/%d is %q, its publisher was told of %q", got.Partition, got.Offset, got.Value, want)
		}
	}
}

func place(partition int32, offset int64) string {
	return strconv.Itoa(int(partition)) + "/" + strconv.FormatInt(offset, 10)
}
