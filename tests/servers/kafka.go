package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaPatience bounds a start in helpers that have no context of their own:
// a JVM on a busy machine takes its time.
const kafkaPatience = time.Minute

// kafkaCluster is any valid cluster id.
const kafkaCluster = "MkU3OEVBNTcwNTJENDM2Qk"

// Kafka is one running KRaft broker, its own controller. Topics and records
// live in its folder over Restart.
type Kafka struct {
	*Process
	Addr    string // host:port on loopback, the same over restarts
	Version string // of the jars, e.g. 4.1.0

	command Command
}

// StartKafka starts a broker with its files in dir. props are further lines of
// server.properties, which win over the ones given here.
func StartKafka(ctx context.Context, dir string, props ...string) (*Kafka, error) {
	jars, version, err := kafkaJars()
	if err != nil {
		return nil, err
	}
	return onFreePorts(2, func(ports []int) (*Kafka, error) {
		return startKafkaOn(ctx, dir, jars, version, ports, props)
	})
}

// startKafkaOn takes a port for clients and one for the controller.
func startKafkaOn(ctx context.Context, dir, jars, version string, ports []int, props []string) (*Kafka, error) {
	file := filepath.Join(dir, "server.properties")
	text := strings.Join(append(kafkaProperties(dir, ports[0], ports[1]), props...), "\n")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := kafkaFormat(ctx, jars, file); err != nil {
		return nil, err
	}
	k := &Kafka{Addr: loopback(ports[0]), Version: version}
	k.command = Command{
		Path: "java", Dir: dir, Log: filepath.Join(dir, "kafka.log"),
		Args:  kafkaJava(jars, "-Xmx256m", "-Xms64m", "kafka.Kafka", file),
		Ready: func(ctx context.Context) error { return kafkaAnswers(ctx, k.Addr) },
	}
	if err := k.Restart(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// Restart starts the broker again on the same port and data, after ending it
// if it still runs.
func (k *Kafka) Restart(ctx context.Context) error {
	if k.Process != nil {
		k.Stop()
	}
	process, err := Start(ctx, k.command)
	if err != nil {
		return err
	}
	k.Process = process
	return nil
}

// CreateTopic makes a topic with one replica. configs are pairs of a topic
// setting and its value.
func (k *Kafka) CreateTopic(ctx context.Context, name string, partitions int32, configs ...string) error {
	return CreateTopic(ctx, k.Addr, name, partitions, configs...)
}

// CreateTopic makes a topic with one replica at any broker, and returns when
// that broker leads all its partitions, which it learns later than the caller.
func CreateTopic(ctx context.Context, addr, name string, partitions int32, configs ...string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	settings := make(map[string]*string)
	for i := 0; i+1 < len(configs); i += 2 {
		settings[configs[i]] = &configs[i+1]
	}
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx, partitions, 1, settings, name); err != nil {
		return err
	}
	for {
		ends, err := admin.ListEndOffsets(ctx, name)
		if err == nil && ends.Error() == nil && len(ends[name]) == int(partitions) {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err, ends.Error())
		}
	}
}

// NewKafka starts a broker that ends with the test. It fails the test when the
// broker cannot be started, missing jars included.
func NewKafka(tb testing.TB, props ...string) *Kafka {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kafkaPatience)
	defer cancel()
	k, err := StartKafka(ctx, tb.TempDir(), props...)
	if err != nil {
		tb.Fatalf("real Kafka: %v", err)
	}
	tb.Cleanup(func() { k.Kill() }) // the process of then, not of now
	return k
}

// kafkaJars finds the broker's jars under the repository's root and reads the
// version off them.
func kafkaJars() (folder, version string, err error) {
	root, err := repositoryRoot()
	if err != nil {
		return "", "", err
	}
	folder = filepath.Join(root, ".cache", "kafka", "libs")
	found, err := filepath.Glob(filepath.Join(folder, "kafka_2.13-*.jar"))
	if err != nil || len(found) == 0 {
		return "", "", errors.New("no Kafka jars in .cache/kafka/libs; at the repository's root run\n\t" +
			"mvn -B -ntp -q -f tests/servers/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$PWD/.cache/kafka/libs")
	}
	name := filepath.Base(found[len(found)-1])
	return folder, strings.TrimSuffix(strings.TrimPrefix(name, "kafka_2.13-"), ".jar"), nil
}

// repositoryRoot is the nearest folder upwards that holds go.mod.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod in any folder above")
		}
		dir = parent
	}
}

// kafkaJava is a java command line that starts fast rather than runs fast.
func kafkaJava(jars string, args ...string) []string {
	return append([]string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(jars, "*")}, args...)
}

func kafkaFormat(ctx context.Context, jars, file string) error {
	args := kafkaJava(jars, "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", kafkaCluster, "-c", file)
	if out, err := exec.CommandContext(ctx, "java", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format Kafka's folder: %w (needs Java 17)\n%s", err, out)
	}
	return nil
}

func kafkaProperties(dir string, port, controller int) []string {
	return []string{
		"process.roles=broker,controller",
		"node.id=1",
		fmt.Sprintf("controller.quorum.voters=1@127.0.0.1:%d", controller),
		fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", port, controller),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://127.0.0.1:%d", port),
		"controller.listener.names=CONTROLLER",
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"inter.broker.listener.name=PLAINTEXT",
		"log.dirs=" + filepath.Join(dir, "data"),
		"auto.create.topics.enable=false",
		"num.partitions=3",
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=4",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"transaction.state.log.num.partitions=4",
		"group.initial.rebalance.delay.ms=0",
		"broker.heartbeat.interval.ms=500", // after a kill the broker is let in again when
		"broker.session.timeout.ms=2000",   // its former self has timed out
		"num.network.threads=2",
		"num.io.threads=2",
		"log.cleaner.dedupe.buffer.size=8388608",
	}
}

// kafkaAnswers is nil once the broker answers a request for metadata, which it
// does when it has its place in the cluster.
func kafkaAnswers(ctx context.Context, addr string) error {
	if err := Accepts(addr)(ctx); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DisableClientMetrics(), kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	brokers, err := kadm.NewClient(client).ListBrokers(ctx)
	if err == nil && len(brokers) == 0 {
		err = errors.New("the broker is not part of its cluster yet")
	}
	return err
}
