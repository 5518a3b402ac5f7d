package conformance

import (
	"context"
	"fmt"
	"hash/crc32"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/backends/kafka"
	"github.com/ottogate/ottogate/devstack"
	"github.com/ottogate/ottogate/tests/servers"
)

// messaging bounds what a check waits for.
const messaging = 15 * time.Second

// pubsubBed is a broker, whichever, and a publisher and a subscriber of ours.
type pubsubBed struct {
	backends.Publisher
	backends.Subscriber
	address string
	lenient bool // the broker takes records that a real one refuses
}

func pubsubDrivers() []driver[*pubsubBed] {
	return []driver[*pubsubBed]{{"devstack", embeddedKafka}, {"kafka", realKafka}}
}

func embeddedKafka(t *testing.T) (*pubsubBed, string) {
	t.Helper()
	broker := startEmbedded(t, devstack.KafkaConfig{DataDir: t.TempDir()})
	bed := connectKafka(t, broker.Addr())
	bed.lenient = true
	return bed, "(the dev stack's, kfake " + required(t, "github.com/twmb/franz-go/pkg/kfake") + ")"
}

func startEmbedded(t *testing.T, config devstack.KafkaConfig) *devstack.Kafka {
	t.Helper()
	broker, err := devstack.StartKafka(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Stop)
	return broker
}

func realKafka(t *testing.T) (*pubsubBed, string) {
	t.Helper()
	broker := servers.NewKafka(t)
	return connectKafka(t, broker.Addr), broker.Version + " (KRaft)"
}

// connectKafka opens a connection of its own.
func connectKafka(t *testing.T, address string) *pubsubBed {
	t.Helper()
	conn, err := kafka.Open(context.Background(), kafka.Config{Brokers: []string{address}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &pubsubBed{Publisher: conn.Publisher(kafka.PublisherOptions{}), Subscriber: conn.Subscriber(), address: address}
}

// stranger is another vendor's client.
func (b *pubsubBed) stranger(t *testing.T, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(b.address), kgo.DisableClientMetrics())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// topic creates the one topic of the running check. configs are pairs.
func (b *pubsubBed) topic(t *testing.T, partitions int32, configs ...string) string {
	t.Helper()
	name := fmt.Sprintf("check.%08x", crc32.ChecksumIEEE([]byte(t.Name())))
	if err := servers.CreateTopic(brief(t), b.address, name, partitions, configs...); err != nil {
		t.Fatal(err)
	}
	return name
}

// expire deletes the records before an offset, as retention does.
func (b *pubsubBed) expire(t *testing.T, topic string, partition int32, before int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, partition, before, -1)
	if _, err := kadm.NewClient(b.stranger(t)).DeleteRecords(brief(t), offsets); err != nil {
		t.Fatal(err)
	}
}

// send publishes and expects success.
func (b *pubsubBed) send(t *testing.T, topic string, message backends.Message) backends.Receipt {
	t.Helper()
	receipt, err := b.Publish(brief(t), topic, message)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func (b *pubsubBed) sendValues(t *testing.T, topic string, values ...string) {
	t.Helper()
	for _, value := range values {
		b.send(t, topic, backends.Message{Value: []byte(value)})
	}
}

// tail opens a reader that ends with the check.
func (b *pubsubBed) tail(t *testing.T, topic string, start backends.Start) backends.Tail {
	t.Helper()
	tail, err := b.Tail(brief(t), topic, start)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tail.Close() })
	return tail
}

func (b *pubsubBed) fromStart(t *testing.T, topic string) backends.Tail {
	t.Helper()
	return b.tail(t, topic, backends.Start{From: backends.FromEarliest})
}

func receive(t *testing.T, tail backends.Tail) backends.Delivery {
	t.Helper()
	delivery, err := tail.Next(brief(t))
	if err != nil {
		t.Fatal(err)
	}
	return delivery
}

func wantValues(t *testing.T, tail backends.Tail, values ...string) {
	t.Helper()
	for _, want := range values {
		if got := receive(t, tail); string(got.Value) != want {
			t.Fatalf("got %q at %d/%d, want %q", got.Value, got.Partition, got.Offset, want)
		}
	}
}

// wantNothing fails when there is another record.
func wantNothing(t *testing.T, tail backends.Tail) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if delivery, err := tail.Next(ctx); err == nil {
		t.Fatalf("there is %q at %d/%d", delivery.Value, delivery.Partition, delivery.Offset)
	}
}

// brief is a context of a check's patience.
func brief(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), messaging)
	t.Cleanup(cancel)
	return ctx
}
