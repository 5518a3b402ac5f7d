package devstack

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaChildEnv makes this test binary a broker: its value is the data folder.
const kafkaChildEnv = "DEVSTACK_KAFKA_CHILD"

func startKafka(t *testing.T, config KafkaConfig) *Kafka {
	t.Helper()
	k, err := StartKafka(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Stop)
	return k
}

func kafkaClient(t *testing.T, address string, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(address), kgo.DisableClientMetrics())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// kafkaPut writes values to partition 0 of a topic, each acknowledged.
func kafkaPut(t *testing.T, address, topic string, values ...string) {
	t.Helper()
	client := kafkaClient(t, address, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic))
	for _, value := range values {
		if err := client.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func wantKafka(t *testing.T, address, topic string, values ...string) {
	t.Helper()
	client := kafkaClient(t, address, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var got []string
	for len(got) < len(values) && ctx.Err() == nil {
		for _, record := range client.PollFetches(ctx).Records() {
			got = append(got, string(record.Value))
		}
	}
	if strings.Join(got, " ") != strings.Join(values, " ") {
		t.Fatalf("got %q, want %q", got, values)
	}
}

func TestKafkaHasTheTopicsThatWereAsked(t *testing.T) {
	k := startKafka(t, KafkaConfig{Topics: []string{"orders", "payments"}})
	topics, err := kadm.NewClient(kafkaClient(t, k.Addr())).ListTopics(t.Context(), "orders", "payments")
	if err != nil || topics.Error() != nil || len(topics["orders"].Partitions) != 3 {
		t.Fatalf("%v, %v", topics, err)
	}
}

func TestKafkaCreatesTopicsForClientsThatAsk(t *testing.T) {
	k := startKafka(t, KafkaConfig{Partitions: 2})
	client := kafkaClient(t, k.Addr(), kgo.AllowAutoTopicCreation())
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "fresh"}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	topics, err := kadm.NewClient(client).ListTopics(t.Context(), "fresh")
	if err != nil || len(topics["fresh"].Partitions) != 2 {
		t.Fatalf("%v, %v", topics, err)
	}
}

func TestKafkaKeepsDataAndPortOverRestarts(t *testing.T) {
	config := KafkaConfig{DataDir: t.TempDir(), Topics: []string{"orders"}}
	k := startKafka(t, config)
	kafkaPut(t, k.Addr(), "orders", "1", "2")
	config.Listen = k.Addr()
	k.Stop()
	again := startKafka(t, config)
	if again.Addr() != config.Listen {
		t.Fatalf("it moved from %s to %s", config.Listen, again.Addr())
	}
	kafkaPut(t, again.Addr(), "orders", "3")
	wantKafka(t, again.Addr(), "orders", "1", "2", "3")
}

// TestKafkaSurvivesKill runs the broker in a child and kills it between an
// acknowledgement and the next.
func TestKafkaSurvivesKill(t *testing.T) {
	if dir := os.Getenv(kafkaChildEnv); dir != "" {
		kafkaChild(dir)
		return
	}
	dir := t.TempDir()
	var values []string
	for round := range 3 {
		child, address := startKafkaChild(t, dir)
		for i := range 20 {
			value := strconv.Itoa(round*20 + i)
			kafkaPut(t, address, "orders", value)
			values = append(values, value)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
	}
	wantKafka(t, startKafka(t, KafkaConfig{DataDir: dir}).Addr(), "orders", values...)
}

// kafkaChild serves until it is killed, or until the test that started it is
// gone, which closes its standard input.
func kafkaChild(dir string) {
	k, err := StartKafka(context.Background(), KafkaConfig{DataDir: dir, Topics: []string{"orders"}})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("listening", k.Addr())
	_, _ = os.Stdin.Read(make([]byte, 1)) // blocks until the end
}

func startKafkaChild(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKafkaSurvivesKill$")
	child.Env = append(os.Environ(), kafkaChildEnv+"="+dir)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close() })
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if address, ok := strings.CutPrefix(lines.Text(), "listening "); ok {
			return child, address
		}
	}
	t.Fatal("the child did not start")
	return nil, ""
}

func TestKafkaStartsFast(t *testing.T) {
	dir := t.TempDir()
	first := startKafka(t, KafkaConfig{DataDir: dir, Topics: []string{"orders"}})
	kafkaPut(t, first.Addr(), "orders", "1")
	first.Stop()
	begin := time.Now()
	startKafka(t, KafkaConfig{DataDir: dir, Topics: []string{"orders"}})
	if took := time.Since(begin); took > 200*time.Millisecond {
		t.Fatalf("it took %v", took)
	}
}

// TestKafkaForgets: what lies beyond the bounds goes, also in topics that
// nobody gave bounds.
func TestKafkaForgets(t *testing.T) {
	k := startKafka(t, KafkaConfig{Topics: []string{"big"}, Partitions: 1})
	client := kafkaClient(t, k.Addr(), kgo.DefaultProduceTopic("big"), kgo.ProducerBatchCompression(kgo.NoCompression()))
	value := make([]byte, 900_000)
	for range kafkaRetentionBytes/len(value) + 20 {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	k.cluster.ApplyRetention()
	starts, err := kadm.NewClient(client).ListStartOffsets(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	if start, _ := starts.Lookup("big", 0); start.Offset < 15 {
		t.Fatalf("the topic still starts at %d", start.Offset)
	}
}

func TestKafkaStopEndsConnections(t *testing.T) {
	k := startKafka(t, KafkaConfig{Topics: []string{"orders"}})
	client := kafkaClient(t, k.Addr(), kgo.ConsumeTopics("orders"))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	client.PollFetches(ctx)
	begin := time.Now()
	k.Stop()
	k.Stop()
	if took := time.Since(begin); took > time.Second {
		t.Fatalf("Stop took %v", took)
	}
}
