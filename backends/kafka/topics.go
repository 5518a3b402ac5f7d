package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/ottogate/ottogate/problem"
)

// How long a look at a topic counts: a present one is looked at again to find
// partitions that were added, an absent one because it may be created.
const (
	presentFor = 5 * time.Second
	absentFor  = time.Second
)

// maxTopics bounds the memory for names that callers made up.
const maxTopics = 10_000

// topic is what is known of one topic. It is immutable but for turn.
type topic struct {
	name       string
	id         sarama.Uuid
	partitions int32
	turn       *atomic.Uint32 // of the next record that has no key
}

// topics remembers topics for one session, so that a publish asks nobody, and
// an unknown name costs one question per second, whoever asks how often.
type topics struct {
	session *session
	mu      sync.Mutex
	looks   map[string]*look
}

// look is one question to the brokers and its answer, shared by all who ask.
type look struct {
	done    chan struct{} // closed when the rest is there
	topic   *topic
	err     error
	at      time.Time
	expires time.Time
}

func newTopics(s *session) *topics {
	return &topics{session: s, looks: make(map[string]*look)}
}

// get finds a topic. A topic that does not exist is problem.NoSuchTopic; a
// name that no topic can have is refused before a broker is asked.
func (t *topics) get(ctx context.Context, name string) (*topic, error) {
	if err := CheckTopic(name); err != nil {
		return nil, err
	}
	l := t.look(name)
	select {
	case <-l.done:
		return l.topic, l.err
	default:
	}
	select {
	case <-l.done:
		return l.topic, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.session.lost:
		return nil, errAway(errLost)
	}
}

// forget makes the next get ask a broker, if the last look is older than age.
func (t *topics) forget(name string, age time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.looks[name]; l != nil && l.over() && time.Since(l.at) >= age {
		l.expires = time.Time{}
	}
}

// look gives the current look at a topic, and starts one if there is none.
func (t *topics) look(name string) *look {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.looks[name]
	if last != nil && (!last.over() || time.Now().Before(last.expires)) {
		return last
	}
	if len(t.looks) >= maxTopics {
		clear(t.looks)
	}
	next := &look{done: make(chan struct{})}
	t.looks[name] = next
	if !t.session.begin() {
		next.err = errAway(errLost)
		close(next.done)
		return next
	}
	go func() {
		defer t.session.calls.Done()
		t.ask(name, next, last)
	}()
	return next
}

// over says whether the answer is there; it is called under topics.mu.
func (l *look) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// ask fills in a look. When brokers give no answer, the last one is good for
// as long again: a lost metadata request must not stop a working partition.
func (t *topics) ask(name string, next, last *look) {
	next.topic, next.err = t.find(name)
	next.at = time.Now()
	next.expires = next.at.Add(absentFor)
	switch {
	case next.err == nil:
		next.expires = next.at.Add(presentFor)
		next.topic.turn = new(atomic.Uint32)
		t.inherit(next, last)
	case last != nil && last.topic != nil && problem.CodeOf(next.err) == problem.Unavailable:
		next.topic, next.err = last.topic, nil
	}
	close(next.done)
}

// inherit goes on with the turn, and has sarama look too when partitions came.
func (t *topics) inherit(next, last *look) {
	if last != nil && last.topic != nil && last.topic.id == next.topic.id {
		next.topic.turn = last.topic.turn
		if last.topic.partitions == next.topic.partitions {
			return
		}
	}
	if err := t.session.client.RefreshMetadata(next.topic.name); err != nil {
		next.topic, next.err = nil, classify(err)
	}
}

// find asks a broker for a topic, without creating it.
func (t *topics) find(name string) (*topic, error) {
	request := sarama.NewMetadataRequest(protocolVersion, []string{name})
	request.AllowAutoTopicCreation = false
	failure := sarama.ErrOutOfBrokers
	for range 3 { // one of several brokers may be down
		broker := t.session.client.LeastLoadedBroker()
		if broker == nil {
			break
		}
		response, err := broker.GetMetadata(request)
		if err == nil {
			return topicOf(name, response)
		}
		drop(broker)
		failure = err
	}
	return nil, classify(failure)
}

func topicOf(name string, response *sarama.MetadataResponse) (*topic, error) {
	for _, found := range response.Topics {
		if found.Name != name {
			continue
		}
		if !errors.Is(found.Err, sarama.ErrNoError) && !errors.Is(found.Err, sarama.ErrLeaderNotAvailable) {
			return nil, classify(found.Err)
		}
		return &topic{name: name, id: found.Uuid, partitions: int32(len(found.Partitions))}, nil
	}
	return nil, classify(sarama.ErrUnknownTopicOrPartition)
}
