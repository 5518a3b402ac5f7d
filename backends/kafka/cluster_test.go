package kafka

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/ottogate/ottogate/backends"
)

// stream publishes to a topic all the time and reports every failure.
func stream(t *testing.T, c *Conn, topic string) (stop func() (published int)) {
	t.Helper()
	publisher := c.Publisher(PublisherOptions{})
	done := make(chan struct{})
	var writers sync.WaitGroup
	var mu sync.Mutex
	published := 0
	for range 4 {
		writers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := publisher.Publish(within(t, testPatience), topic, backends.Message{}); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				published++
				mu.Unlock()
			}
		})
	}
	return sync.OnceValue(func() int {
		close(done)
		writers.Wait()
		return published
	})
}

// wantAll reads a topic until count records were seen, and no more.
func wantAll(t *testing.T, tail backends.Tail, count int) {
	t.Helper()
	places := map[string]bool{}
	for range count {
		d := next(t, tail)
		place := strconv.Itoa(int(d.Partition)) + "/" + strconv.FormatInt(d.Offset, 10)
		if places[place] {
			t.Fatalf("%s came twice", place)
		}
		places[place] = true
	}
	quiet(t, tail)
}

// TestLeadersMove: no caller and no reader notices that partitions change
// their leaders, and nothing is written twice.
func TestLeadersMove(t *testing.T) {
	conn, cluster := dial(t, kfake.NumBrokers(3))
	tail := tailOf(t, conn, "b", backends.Start{})
	quiet(t, tail)
	stop := stream(t, conn, "b")
	for round := range int32(6) {
		for partition := range int32(4) {
			if err := cluster.MoveTopicPartition("b", partition, (partition+round)%3); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	wantAll(t, tail, stop())
}

// TestOneBrokerOfThreeGoes: sarama finds the new leaders within its session,
// which is not given up while the others answer.
func TestOneBrokerOfThreeGoes(t *testing.T) {
	conn, cluster := dial(t, kfake.NumBrokers(3))
	tail := tailOf(t, conn, "b", backends.Start{})
	quiet(t, tail)
	stop := stream(t, conn, "b")
	time.Sleep(100 * time.Millisecond)
	before := conn.writing.session
	if err := cluster.RemoveNode(0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	published := stop()
	if conn.writing.session != before {
		t.Error("the session was given up")
	}
	wantAll(t, tail, published)
}

// BenchmarkPublish64 is 64 callers that wait for each acknowledgement.
func BenchmarkPublish64(b *testing.B) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(8, "bench"))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	conn, err := Open(b.Context(), Config{Brokers: cluster.ListenAddrs()}, discard())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	publisher, value := conn.Publisher(PublisherOptions{}), make([]byte, 256)
	b.ReportAllocs()
	b.SetParallelism(32) // times two processors
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := publisher.Publish(b.Context(), "bench", backends.Message{Value: value}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
