package devstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
)

// The bounds of what the broker keeps: enough for trying things out, and
// little enough for a laptop that is never cleaned up.
const (
	kafkaRetentionBytes = 64 << 20 // per partition
	kafkaRetentionTime  = 7 * 24 * time.Hour
	kafkaCleaning       = 10 * time.Second
)

// KafkaConfig says what the broker offers.
type KafkaConfig struct {
	DataDir    string   // where records live, over restarts and kill -9; "" = in memory only
	Listen     string   // host:port; port 0 or "" picks one. The host is what clients are told
	Topics     []string // created when they are not there yet
	Partitions int32    // of topics made without a number of their own; 0 = 3
}

// Kafka is one broker in this process that speaks Kafka's protocol: topics,
// groups, transactions. Clients that ask for it have unknown topics created.
type Kafka struct {
	cluster *kfake.Cluster
	sockets *sockets
	address string
	stop    func()
	tasks   sync.WaitGroup
}

// StartKafka listens and serves until Stop is called or ctx ends. Data of an
// earlier run in the same folder are there again when it returns.
func StartKafka(ctx context.Context, config KafkaConfig) (*Kafka, error) {
	k := &Kafka{sockets: newSockets()}
	cluster, err := kfake.NewCluster(k.options(config)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	k.cluster, k.address = cluster, cluster.ListenAddrs()[0]
	ctx, cancel := context.WithCancel(ctx)
	k.stop = sync.OnceFunc(func() {
		cancel()
		k.tasks.Wait()
		k.cluster.Close()
		k.sockets.cut()
	})
	if err := k.createTopics(config); err != nil {
		k.stop()
		return nil, fmt.Errorf("kafka: %w", err)
	}
	k.tasks.Go(func() { k.clean(ctx) })
	context.AfterFunc(ctx, k.stop)
	return k, nil
}

func (k *Kafka) options(config KafkaConfig) []kfake.Opt {
	partitions := int(config.Partitions)
	if partitions == 0 {
		partitions = 3
	}
	options := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.AllowAutoTopicCreation(),
		kfake.DefaultNumPartitions(partitions),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) { return k.sockets.listen(network, config.Listen) }),
		kfake.BrokerConfigs(map[string]string{
			"log.retention.bytes": strconv.Itoa(kafkaRetentionBytes),
			"log.retention.ms":    strconv.FormatInt(kafkaRetentionTime.Milliseconds(), 10),
		}),
	}
	if config.DataDir != "" {
		options = append(options, kfake.DataDir(config.DataDir))
	}
	return options
}

func (k *Kafka) createTopics(config KafkaConfig) error {
	for _, topic := range config.Topics {
		if err := k.cluster.CreateTopic(topic, config.Partitions, nil); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
	}
	return nil
}

// clean applies the retention bounds, which the broker does by itself only for
// topics that have bounds of their own.
func (k *Kafka) clean(ctx context.Context) {
	tick := time.NewTicker(kafkaCleaning)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			k.cluster.ApplyRetention()
		case <-ctx.Done():
			return
		}
	}
}

// Addr is where clients connect, as host:port.
func (k *Kafka) Addr() string { return k.address }

// CreateTopic makes a topic; 0 partitions are the default number.
func (k *Kafka) CreateTopic(name string, partitions int32) error {
	return k.cluster.CreateTopic(name, partitions, nil)
}

// DeleteRecords takes the records before an offset out of a partition, as
// retention does.
func (k *Kafka) DeleteRecords(topic string, partition int32, before int64) error {
	return k.cluster.DeleteRecords(topic, partition, before)
}

// Stop ends the broker and its connections, and returns when all is on disk.
// It may be called twice.
func (k *Kafka) Stop() { k.stop() }

// sockets knows the broker's connections, so that Stop can end them: the
// broker itself waits for its clients to go.
type sockets struct {
	mu   sync.Mutex
	over bool
	open map[*socket]struct{}
	gone sync.WaitGroup
}

func newSockets() *sockets { return &sockets{open: make(map[*socket]struct{})} }

func (s *sockets) listen(network, address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return &socketListener{Listener: listener, sockets: s}, nil
}

// add takes a connection in; it is false when the broker has stopped.
func (s *sockets) add(conn net.Conn) (net.Conn, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, false
	}
	added := &socket{Conn: conn}
	added.leave = sync.OnceFunc(func() { s.remove(added) })
	s.open[added] = struct{}{}
	s.gone.Add(1)
	return added, true
}

func (s *sockets) remove(conn *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
	s.gone.Done()
}

// cut closes all connections and waits until the broker has let go of them.
func (s *sockets) cut() {
	s.mu.Lock()
	s.over = true
	for conn := range s.open {
		_ = conn.Conn.Close() // the broker's reads fail
	}
	s.mu.Unlock()
	s.gone.Wait()
}

type socketListener struct {
	net.Listener
	sockets *sockets
}

func (l *socketListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	added, ok := l.sockets.add(conn)
	if !ok {
		_ = conn.Close() // nobody will serve it
		return nil, net.ErrClosed
	}
	return added, nil
}

// socket is a connection whose end is noticed.
type socket struct {
	net.Conn
	leave func()
}

func (c *socket) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
