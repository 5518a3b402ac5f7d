package kafka

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// holdProduce lets the broker think about writes until the function is called.
func holdProduce(cluster *kfake.Cluster) func() {
	held := make(chan struct{})
	cluster.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		cluster.SleepControl(func() { <-held })
		return nil, nil, false
	})
	return sync.OnceFunc(func() { close(held) })
}

func refuseProduce(cluster *kfake.Cluster, refusal *kerr.Error, times int) *kfake.FaultHandle {
	return cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: refusal, Count: times})
}

// admin is another vendor's client, which knows nothing of ours.
func admin(t *testing.T, cluster *kfake.Cluster, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DisableClientMetrics())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// addPartitions makes a topic have count partitions.
func addPartitions(t *testing.T, cluster *kfake.Cluster, topic string, count int) {
	t.Helper()
	results, err := kadm.NewClient(admin(t, cluster)).UpdatePartitions(within(t, testPatience), count, topic)
	if err == nil {
		err = results[topic].Err
	}
	if err != nil {
		t.Fatal(err)
	}
}

// faultyListener makes a broker whose answers can get lost or stuck.
type faultyListener struct {
	net.Listener
	cutNext atomic.Bool // close the connection in place of the next answer
	mu      sync.RWMutex
}

func newFaultyListener(*testing.T) *faultyListener { return &faultyListener{} }

func (l *faultyListener) listen(network, address string) (net.Listener, error) {
	var err error
	l.Listener, err = net.Listen(network, address)
	return l, err
}

// freeze stops all answers until the function is called.
func (l *faultyListener) freeze() (thaw func()) {
	l.mu.Lock()
	return l.mu.Unlock
}

func (l *faultyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &faultyConn{conn, l}, err
}

type faultyConn struct {
	net.Conn
	owner *faultyListener
}

func (c *faultyConn) Write(p []byte) (int, error) {
	c.owner.mu.RLock()
	defer c.owner.mu.RUnlock()
	if c.owner.cutNext.CompareAndSwap(true, false) {
		_ = c.Conn.Close() // that is the fault
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

// until polls for a condition.
func until(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(testPatience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never happened")
		}
	}
}
