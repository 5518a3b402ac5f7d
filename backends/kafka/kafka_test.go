package kafka

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Two kinds of goroutines belong to the library and outlive its clients: its
// meters share one per process that never ends, and each breaker of its that
// opened has one that sleeps for ten seconds.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"),
		goleak.IgnoreAnyFunction("github.com/eapache/go-resiliency/breaker.(*Breaker).timer"),
	)
}

// testPatience bounds what a test waits for.
const testPatience = 10 * time.Second

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// broker starts an in-process broker with the topics a (1 partition) and b (4).
func broker(t *testing.T, options ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	options = append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(1, "a"), kfake.SeedTopics(4, "b")}, options...)
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func open(t *testing.T, config Config) *Conn {
	t.Helper()
	conn, err := Open(t.Context(), config, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func dial(t *testing.T, options ...kfake.Opt) (*Conn, *kfake.Cluster) {
	t.Helper()
	cluster := broker(t, options...)
	return open(t, Config{Brokers: cluster.ListenAddrs()}), cluster
}

func publish(t *testing.T, c *Conn, topic, value string) backends.Receipt {
	t.Helper()
	receipt, err := c.Publisher(PublisherOptions{}).Publish(within(t, testPatience), topic, backends.Message{Value: []byte(value)})
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func tailOf(t *testing.T, c *Conn, topic string, start backends.Start) backends.Tail {
	t.Helper()
	tail, err := c.Subscriber().Tail(within(t, testPatience), topic, start)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tail.Close() })
	return tail
}

func next(t *testing.T, tail backends.Tail) backends.Delivery {
	t.Helper()
	delivery, err := tail.Next(within(t, testPatience))
	if err != nil {
		t.Fatal(err)
	}
	return delivery
}

func wantCode(t *testing.T, err error, code problem.Code) *problem.Error {
	t.Helper()
	if problem.CodeOf(err) != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	return problem.From(err)
}

func TestOpenDoesNotWaitForABroker(t *testing.T) {
	begin := time.Now()
	conn := open(t, Config{Brokers: []string{"127.0.0.1:1"}})
	if took := time.Since(begin); took > 50*time.Millisecond {
		t.Fatalf("Open took %v", took)
	}
	_, err := conn.Publisher(PublisherOptions{}).Publish(within(t, time.Second), "a", backends.Message{})
	if failure := wantCode(t, err, problem.Unavailable); failure.Unknown || failure.RetryAfter == 0 {
		t.Fatalf("%+v", failure)
	}
	wantCode(t, conn.Probe(within(t, time.Second)), problem.Unavailable)
}

func TestOpenRefusesWhatCanNeverWork(t *testing.T) {
	for _, config := range []Config{{}, {Brokers: []string{"x:1"}, SASL: &SASL{Mechanism: "magic", Username: "u", Password: "p"}}} {
		if conn, err := Open(t.Context(), config, discard()); err == nil {
			_ = conn.Close()
			t.Errorf("%+v was accepted", config)
		}
	}
}

func TestCloseTwiceAndAfterwards(t *testing.T) {
	conn, _ := dial(t)
	publish(t, conn, "a", "x")
	_, _ = conn.Close(), conn.Close()
	_, err := conn.Publisher(PublisherOptions{}).Publish(within(t, time.Second), "a", backends.Message{})
	wantCode(t, err, problem.ShuttingDown)
	_, err = conn.Subscriber().Tail(within(t, time.Second), "a", backends.Start{})
	wantCode(t, err, problem.ShuttingDown)
}

func TestCloseEndsAWaitingTail(t *testing.T) {
	conn, _ := dial(t)
	tail := tailOf(t, conn, "a", backends.Start{})
	time.AfterFunc(50*time.Millisecond, func() { _ = conn.Close() })
	_, err := tail.Next(within(t, testPatience))
	wantCode(t, err, problem.ShuttingDown)
}

func TestProbe(t *testing.T) {
	conn, _ := dial(t)
	if err := conn.Probe(within(t, testPatience)); err != nil {
		t.Fatal(err)
	}
}

func TestSASL(t *testing.T) {
	for mechanism, name := range map[Mechanism]string{Plain: "PLAIN", ScramSHA256: "SCRAM-SHA-256", ScramSHA512: "SCRAM-SHA-512"} {
		t.Run(name, func(t *testing.T) {
			cluster := broker(t, kfake.EnableSASL(), kfake.Superuser(name, "us,er=", "se cret"))
			conn := open(t, Config{Brokers: cluster.ListenAddrs(), SASL: &SASL{Mechanism: mechanism, Username: "us,er=", Password: "se cret"}})
			publish(t, conn, "a", "x")

			stranger := open(t, Config{Brokers: cluster.ListenAddrs(), SASL: &SASL{Mechanism: mechanism, Username: "us,er=", Password: "wrong"}})
			_, err := stranger.Publisher(PublisherOptions{}).Publish(within(t, testPatience), "a", backends.Message{})
			wantCode(t, err, problem.Unavailable)
		})
	}
}

func TestTopicNames(t *testing.T) {
	for _, name := range []string{"a", "A.b_c-9", string(bytes.Repeat([]byte("x"), 249))} {
		if err := CheckTopic(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "a b", "a/b", "ä", string(bytes.Repeat([]byte("x"), 250))} {
		wantCode(t, CheckTopic(name), problem.InvalidName)
	}
}

func ExampleCheckTopic() {
	fmt.Println(CheckTopic("orders.created"))
	// Output: <nil>
}
