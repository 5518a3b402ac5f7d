package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// errLost is what waits in a session gets when the session is given up.
var errLost = errors.New("the connection to the brokers is lost")

// openTimeout bounds each step of an attempt to connect, so that an attempt
// that hangs on a broker that is gone does not hold up the next.
const openTimeout = 2 * time.Second

// session is one sarama client from its first connection to the loss of its
// brokers. It is never repaired: the uplink opens another one.
type session struct {
	client sarama.Client
	config *sarama.Config
	wires  *wires
	topics *topics
	lane   *lane // of a writing session

	suspicion chan struct{} // holds one: somebody noticed trouble
	worn      chan struct{} // holds one: works, but wants to be replaced
	lost      chan struct{} // closed when the session is given up
	giveUp    func()        // frees everybody who waits for an answer of this session

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// openReading makes a session that fetches. It does its own waiting for
// leaders, so that one partition without holds up no other.
func openReading(ctx context.Context, brokers []string, settings *sarama.Config) (*session, error) {
	impatient := *settings
	impatient.Metadata.Retry.Max = 0
	return connect(ctx, brokers, &impatient)
}

// connect makes a session that has reached a broker.
func connect(ctx context.Context, brokers []string, settings *sarama.Config) (*session, error) {
	s := newSession()
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, s.wires.cut)()
	s.config = bind(settings, s.wires)
	client, err := sarama.NewClient(brokers, s.config)
	if err != nil {
		return nil, err
	}
	s.client = client
	if broker := client.LeastLoadedBroker(); broker == nil {
		err = sarama.ErrOutOfBrokers
	} else {
		_, err = broker.Connected()
	}
	if err != nil {
		s.giveUp()
		s.finish()
		return nil, err
	}
	s.drainSuspicion()
	return s, nil
}

// openWriting makes a session that publishes: it has a producer id.
func openWriting(ctx context.Context, brokers []string, settings *sarama.Config) (*session, error) {
	s, err := connect(ctx, brokers, settings)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, s.wires.cut)()
	producer, err := sarama.NewAsyncProducerFromClient(s.client)
	if err != nil {
		s.giveUp()
		s.finish()
		return nil, err
	}
	s.lane = newLane(producer, s)
	return s, nil
}

func newSession() *session {
	s := &session{suspicion: make(chan struct{}, 1), worn: make(chan struct{}, 1), lost: make(chan struct{})}
	s.wires = newWires(s.suspect)
	s.topics = newTopics(s)
	s.giveUp = sync.OnceFunc(func() {
		close(s.lost)
		s.wires.cut()
	})
	return s
}

// suspect asks the uplink to find out whether the brokers are still there.
func (s *session) suspect() { raise(s.suspicion) }

// replace asks the uplink for another session; what goes on here may finish.
func (s *session) replace() { raise(s.worn) }

func raise(flag chan struct{}) {
	select {
	case flag <- struct{}{}:
	default:
	}
}

// drainSuspicion forgets trouble with brokers that are down while others work.
func (s *session) drainSuspicion() {
	select {
	case <-s.suspicion:
	default:
	}
}

// finish ends the session's goroutines and waits for them. Before giveUp it
// lets records that were handed over be acknowledged.
func (s *session) finish() {
	if s.lane != nil {
		s.lane.finish()
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wires.cut()
	s.calls.Wait()
	_ = s.client.Close() // closing twice is its only failure
}

// probe asks any broker a question that costs it nothing.
func (s *session) probe() error {
	broker := s.client.LeastLoadedBroker()
	if broker == nil {
		return sarama.ErrOutOfBrokers
	}
	_, err := broker.ApiVersions(&sarama.ApiVersionsRequest{})
	if err != nil {
		drop(broker)
	}
	return err
}

// begin counts a call that finish has to wait for.
func (s *session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.calls.Add(1)
	return true
}

// excuse replaces the failure of a question that the session's own end may
// have brought about; the uplink has a better answer by then.
func (s *session) excuse(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errRetired
	}
	return err
}

// await runs a call of the library, which knows no context, and stops waiting
// for it when ctx or the session ends. The call itself ends with the session
// at the latest.
func await[T any](ctx context.Context, s *session, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if !s.begin() {
		return none, errLost
	}
	answered := make(chan answer, 1)
	go func() {
		defer s.calls.Done()
		value, err := call()
		answered <- answer{value, err}
	}()
	select {
	case a := <-answered:
		return a.value, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-s.lost:
		return none, errLost
	}
}
