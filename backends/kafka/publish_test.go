package kafka

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

const (
	produceKey  = 0
	metadataKey = 3
)

func TestMurmur2IsThatOfKafka(t *testing.T) {
	// the values of Kafka's own UtilsTest.testMurmur2
	for key, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("%s: %d, want %d", key, got, want)
		}
	}
}

func TestOffsetsGrowByOne(t *testing.T) {
	conn, _ := dial(t)
	for want := range int64(20) {
		if got := publish(t, conn, "a", "x"); got.Offset != want || got.Partition != 0 || time.Since(got.Timestamp).Abs() > time.Minute {
			t.Fatalf("%+v, want offset %d", got, want)
		}
	}
}

func TestRecordsWithoutKeyGoRound(t *testing.T) {
	conn, _ := dial(t)
	seen := map[int32]int{}
	for range 8 {
		seen[publish(t, conn, "b", "x").Partition]++
	}
	for partition := range int32(4) {
		if seen[partition] != 2 {
			t.Fatalf("%v", seen)
		}
	}
}

func TestUnknownTopicCostsOneQuestion(t *testing.T) {
	conn, cluster := dial(t)
	publish(t, conn, "a", "x")
	var asked sync.Map
	cluster.ControlKey(metadataKey, func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		n, _ := asked.LoadOrStore("n", new(int))
		*n.(*int)++ // the cluster runs one control at a time
		return nil, nil, false
	})
	begin := time.Now()
	for range 100 {
		_, err := conn.Publisher(PublisherOptions{}).Publish(within(t, testPatience), "nowhere", backends.Message{})
		wantCode(t, err, problem.NoSuchTopic)
	}
	n, _ := asked.Load("n")
	if count := *n.(*int); count > 2 || time.Since(begin) > 500*time.Millisecond {
		t.Fatalf("%d questions in %v", count, time.Since(begin))
	}
}

func TestTopicIsFoundSoonAfterItsCreation(t *testing.T) {
	conn, cluster := dial(t)
	publisher := conn.Publisher(PublisherOptions{})
	_, err := publisher.Publish(within(t, testPatience), "late", backends.Message{})
	wantCode(t, err, problem.NoSuchTopic)
	if err := cluster.CreateTopic("late", 1, nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(absentFor + 50*time.Millisecond)
	publish(t, conn, "late", "x")
}

func TestTopicsAreCreatedOnlyWhereAllowed(t *testing.T) {
	conn, cluster := dial(t, kfake.AllowAutoTopicCreation())
	_, err := conn.Publisher(PublisherOptions{}).Publish(within(t, testPatience), "made", backends.Message{})
	wantCode(t, err, problem.NoSuchTopic)
	if cluster.TopicInfo("made") != nil {
		t.Fatal("asking created the topic")
	}
	maker := conn.Publisher(PublisherOptions{CreateTopics: true, Partitions: 7})
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if _, err := maker.Publish(within(t, testPatience), "made", backends.Message{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if partitions := len(cluster.PartitionInfos("made")); partitions != 7 {
		t.Fatalf("%d partitions", partitions)
	}
}

func TestAddedPartitionCanBeNamed(t *testing.T) {
	conn, cluster := dial(t)
	publisher, two := conn.Publisher(PublisherOptions{}), int32(2)
	_, err := publisher.Publish(within(t, testPatience), "a", backends.Message{Partition: &two})
	wantCode(t, err, problem.Unprocessable)
	addPartitions(t, cluster, "a", 3)
	time.Sleep(absentFor)
	if _, err := publisher.Publish(within(t, testPatience), "a", backends.Message{Partition: &two}); err != nil {
		t.Fatal(err)
	}
}

func TestLargestRecordPassesAndNextOneDoesNot(t *testing.T) {
	conn, _ := dial(t)
	overhead := recordOf("a", backends.Message{}).ByteSize(2)
	publish(t, conn, "a", strings.Repeat("x", maxRecord-overhead))
	_, err := conn.Publisher(PublisherOptions{}).Publish(within(t, testPatience), "a", backends.Message{Value: make([]byte, maxRecord-overhead+1)})
	wantCode(t, err, problem.BodyTooLarge)
}

func TestDeadlineWhileTheBrokerIsSilent(t *testing.T) {
	conn, cluster := dial(t)
	publish(t, conn, "a", "x")
	wake := holdProduce(cluster)
	defer wake()
	begin := time.Now()
	_, err := conn.Publisher(PublisherOptions{}).Publish(within(t, 100*time.Millisecond), "a", backends.Message{})
	if failure := wantCode(t, err, problem.DeadlineExceeded); !failure.Unknown || time.Since(begin) > 300*time.Millisecond {
		t.Fatalf("%+v after %v", failure, time.Since(begin))
	}
}

func TestEndedContextHandsNothingOver(t *testing.T) {
	conn, _ := dial(t)
	before := publish(t, conn, "a", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := conn.Publisher(PublisherOptions{}).Publish(ctx, "a", backends.Message{}); problem.CodeOf(err) != problem.ClientClosed {
		t.Fatal(err)
	}
	if after := publish(t, conn, "a", "x"); after.Offset != before.Offset+1 {
		t.Fatalf("%d after %d", after.Offset, before.Offset)
	}
}

func TestInFlightIsBounded(t *testing.T) {
	conn, cluster := dial(t)
	publish(t, conn, "a", "x")
	wake := holdProduce(cluster)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer wake()
	publisher := conn.Publisher(PublisherOptions{MaxInFlight: 3, MaxInFlightBytes: 1000})
	for range 2 {
		waiting.Go(func() {
			_, _ = publisher.Publish(within(t, testPatience), "a", backends.Message{}) // its fate is not the question
		})
	}
	lane := conn.writing.session.lane
	until(t, func() bool { return lane.records.Load() == 2 })
	_, err := publisher.Publish(within(t, time.Second), "a", backends.Message{Value: make([]byte, 1000)})
	wantCode(t, err, problem.Overloaded)
	waiting.Go(func() { _, _ = publisher.Publish(within(t, testPatience), "a", backends.Message{}) })
	until(t, func() bool { return lane.records.Load() == 3 })
	_, err = publisher.Publish(within(t, time.Second), "a", backends.Message{})
	if failure := wantCode(t, err, problem.Overloaded); failure.RetryAfter == 0 {
		t.Fatal("no RetryAfter")
	}
	wake()
	until(t, func() bool { return lane.records.Load() == 0 && lane.bytes.Load() == 0 })
}

// TestLostAcknowledgement: the broker appends, the connection dies before the
// answer. The library asks again with the same sequence number, so the record
// is there once and the caller gets its place.
func TestLostAcknowledgement(t *testing.T) {
	faulty := newFaultyListener(t)
	conn, cluster := dial(t, kfake.ListenFn(faulty.listen))
	publish(t, conn, "a", "x")
	cluster.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) {
		faulty.cutNext.Store(true)
		cluster.DropControl()
		return nil, nil, false
	})
	second := publish(t, conn, "a", "y")
	third := publish(t, conn, "a", "z")
	if second.Offset != 1 || third.Offset != 2 {
		t.Fatalf("%+v, %+v", second, third)
	}
	if faulty.cutNext.Load() {
		t.Fatal("no connection was cut")
	}
}

func TestNotLeaderIsTriedAgain(t *testing.T) {
	conn, cluster := dial(t)
	publish(t, conn, "a", "x")
	refused := refuseProduce(cluster, kerr.NotLeaderForPartition, 2)
	if got := publish(t, conn, "a", "y"); got.Offset != 1 || refused.Hits() != 2 {
		t.Fatalf("%+v after %d refusals", got, refused.Hits())
	}
}

func TestBrokerRefusesTheRecord(t *testing.T) {
	conn, cluster := dial(t)
	publish(t, conn, "a", "x")
	for refusal, want := range map[*kerr.Error]problem.Code{
		kerr.MessageTooLarge: problem.BodyTooLarge, kerr.InvalidRecord: problem.Unprocessable, kerr.InvalidTimestamp: problem.Unprocessable,
		kerr.TopicAuthorizationFailed: problem.Unavailable,
	} {
		refuseProduce(cluster, refusal, 1)
		_, err := conn.Publisher(PublisherOptions{}).Publish(within(t, testPatience), "a", backends.Message{})
		wantCode(t, err, want)
	}
	publish(t, conn, "a", "still works")
}

// TestOutage: a lost broker answers everybody inside the deadline, then in
// microseconds, and the service is back soon after the broker.
func TestOutage(t *testing.T) {
	dir := t.TempDir()
	cluster := broker(t, kfake.DataDir(dir))
	addr := cluster.ListenAddrs()[0]
	conn := open(t, Config{Brokers: []string{addr}})
	publisher := conn.Publisher(PublisherOptions{})
	publish(t, conn, "b", "x")

	wake := holdProduce(cluster)
	var waiting sync.WaitGroup
	begin := time.Now()
	for range 200 {
		waiting.Go(func() {
			_, err := publisher.Publish(within(t, 5*time.Second), "b", backends.Message{})
			if failure := problem.From(err); failure == nil || failure.Code != problem.Unavailable || !failure.Unknown {
				t.Errorf("waiting caller got %v", err)
			}
		})
	}
	lane := conn.writing.session.lane
	until(t, func() bool { return lane.records.Load() == 200 })
	cluster.Close()
	wake()
	waiting.Wait()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("waiting callers were told after %v", took)
	}

	took := make([]time.Duration, 1000)
	for i := range took {
		begin = time.Now()
		_, err := publisher.Publish(within(t, time.Second), "b", backends.Message{})
		took[i] = time.Since(begin)
		wantCode(t, err, problem.Unavailable)
	}
	slices.Sort(took)
	if median := took[len(took)/2]; median > 200*time.Microsecond { // the slowest are those of a busy machine
		t.Errorf("the median refusal took %v", median)
	}

	begin = time.Now()
	broker(t, kfake.DataDir(dir), kfake.ListenFn(func(network, _ string) (net.Listener, error) { return net.Listen(network, addr) }))
	until(t, func() bool {
		_, err := publisher.Publish(within(t, time.Second), "b", backends.Message{})
		return err == nil
	})
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("back after %v", took)
	}
}

// TestFrozenBroker: a broker that keeps its sockets and says nothing opens the
// breaker once a caller has waited for nothing.
func TestFrozenBroker(t *testing.T) {
	faulty := newFaultyListener(t)
	conn, _ := dial(t, kfake.ListenFn(faulty.listen))
	publisher := conn.Publisher(PublisherOptions{})
	publish(t, conn, "a", "x")
	thaw := faulty.freeze()
	_, err := publisher.Publish(within(t, 500*time.Millisecond), "a", backends.Message{})
	wantCode(t, err, problem.DeadlineExceeded)
	until(t, func() bool {
		begin := time.Now()
		_, err := publisher.Publish(within(t, 300*time.Millisecond), "a", backends.Message{})
		return problem.CodeOf(err) == problem.Unavailable && time.Since(begin) < 20*time.Millisecond
	})
	thaw()
	begin := time.Now()
	until(t, func() bool {
		_, err := publisher.Publish(within(t, time.Second), "a", backends.Message{})
		return err == nil
	})
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("back after %v", took)
	}
}

func TestSessionIsReplacedWithoutABreak(t *testing.T) {
	conn, _ := dial(t)
	publish(t, conn, "a", "x")
	old := conn.writing.session
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := conn.Publisher(PublisherOptions{}).Publish(within(t, testPatience), "b", backends.Message{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	old.replace()
	until(t, func() bool { s, err := conn.writing.get(t.Context()); return err == nil && s != old })
	time.Sleep(50 * time.Millisecond)
	close(stop)
	callers.Wait()
}

func TestClassifyKeepsContextErrors(t *testing.T) {
	for _, ended := range []error{context.Canceled, context.DeadlineExceeded, nil} {
		if err := classify(ended); !errors.Is(err, ended) {
			t.Fatal(err)
		}
	}
}

func TestSocketErrorsAreNotThoseOfAContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, timeout := range []time.Duration{time.Nanosecond, time.Second} {
		dialer := net.Dialer{Timeout: timeout}
		_, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:1")
		wantCode(t, classify(err), problem.Unavailable)
		_, err = dialer.Dial("tcp", "127.0.0.1:1")
		wantCode(t, classify(err), problem.Unavailable)
	}
}
