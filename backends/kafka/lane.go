package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// stallTime is how long a caller must have waited in vain for its deadline to
// count as a sign of trouble with the brokers.
const stallTime = 400 * time.Millisecond

// errRetired says that a session takes no more records; another one does.
var errRetired = errors.New("the session takes no more records")

// lane hands records to sarama's producer and brings every acknowledgement to
// the caller that waits for it. What was handed over counts as in flight until
// sarama is done with it, whether or not its caller still waits.
type lane struct {
	session  *session
	producer sarama.AsyncProducer
	drains   sync.WaitGroup

	gate   sync.RWMutex // held for reading while handing over
	closed bool         // under gate

	records, bytes atomic.Int64 // in flight
	acks           atomic.Uint64
}

// flight is a record on its way; it travels as the message's Metadata.
type flight struct {
	bytes  int64
	landed chan landing // holds one, so that nobody waits for a caller that left
}

type landing struct {
	receipt backends.Receipt
	err     error
}

// limits are the most that may be in flight.
type limits struct{ records, bytes int64 }

func newLane(producer sarama.AsyncProducer, s *session) *lane {
	l := &lane{session: s, producer: producer}
	l.drains.Go(func() {
		for message := range producer.Successes() {
			l.land(message, nil)
		}
	})
	l.drains.Go(func() {
		for failure := range producer.Errors() {
			l.land(failure.Msg, failure.Err)
		}
	})
	return l
}

// send hands a record over and waits for its acknowledgement. It returns
// errRetired when nothing was handed over because the session is being replaced.
func (l *lane) send(ctx context.Context, message *sarama.ProducerMessage, most limits) (backends.Receipt, error) {
	f := &flight{bytes: int64(message.ByteSize(2)), landed: make(chan landing, 1)}
	message.Metadata = f
	if err := l.reserve(f, most); err != nil {
		return backends.Receipt{}, err
	}
	if err := l.handOver(ctx, message); err != nil {
		l.release(f)
		return backends.Receipt{}, err
	}
	return l.wait(ctx, f)
}

// reserve counts a record in, or refuses it: memory is bounded.
func (l *lane) reserve(f *flight, most limits) error {
	records, bytes := l.records.Add(1), l.bytes.Add(f.bytes)
	if records <= most.records && bytes <= most.bytes {
		return nil
	}
	l.release(f)
	err := problem.New(problem.Overloaded, "too many records wait for the broker's acknowledgement")
	err.RetryAfter = retryAfter
	return err
}

func (l *lane) release(f *flight) {
	l.records.Add(-1)
	l.bytes.Add(-f.bytes)
}

func (l *lane) handOver(ctx context.Context, message *sarama.ProducerMessage) error {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if l.closed {
		return errRetired
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.producer.Input() <- message:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.session.lost:
		return errAway(errLost)
	}
}

// wait is the caller's own deadline: sarama has none.
func (l *lane) wait(ctx context.Context, f *flight) (backends.Receipt, error) {
	since, acks := time.Now(), l.acks.Load()
	select {
	case landed := <-f.landed:
		return landed.receipt, landed.err
	case <-ctx.Done():
		if time.Since(since) >= stallTime && l.acks.Load() == acks {
			l.session.suspect()
		}
		failure := *problem.From(ctx.Err())
		failure.Detail = "the broker did not acknowledge in time"
		return f.leave(&failure)
	case <-l.session.lost:
		return f.leave(errAway(errLost))
	}
}

// leave ends the wait for a record because of failure. An answer that has come
// in the same moment is preferred to not knowing.
func (f *flight) leave(failure *problem.Error) (backends.Receipt, error) {
	select {
	case landed := <-f.landed:
		return landed.receipt, landed.err
	default:
		failure.Unknown = true
		return backends.Receipt{}, failure
	}
}

// land brings sarama's answer to its caller.
func (l *lane) land(message *sarama.ProducerMessage, err error) {
	f, ours := message.Metadata.(*flight)
	if !ours {
		return
	}
	l.release(f)
	if err == nil {
		l.acks.Add(1)
		f.landed <- landingOf(message)
		return
	}
	if wornOut(err) {
		l.session.replace()
	}
	f.landed <- landing{err: classifyWrite(err)}
}

// landingOf makes the receipt. A broker that finds a batch in its log already,
// but no longer knows where, gives no offset.
func landingOf(message *sarama.ProducerMessage) landing {
	if message.Offset < 0 {
		failure := problem.New(problem.Unavailable, "the record may be in the topic, but its offset is not known")
		failure.Unknown = true
		return landing{err: failure}
	}
	return landing{receipt: backends.Receipt{Partition: message.Partition, Offset: message.Offset, Timestamp: message.Timestamp}}
}

// finish takes no more records and returns when sarama has done with all.
func (l *lane) finish() {
	l.gate.Lock()
	l.closed = true
	l.gate.Unlock()
	l.producer.AsyncClose()
	l.drains.Wait()
}
