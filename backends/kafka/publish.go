package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/sarama"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// PublisherOptions are the limits of one publisher.
type PublisherOptions struct {
	// MaxInFlight and MaxInFlightBytes bound what waits for acknowledgement on
	// the connection; beyond them callers get problem.Overloaded at once.
	MaxInFlight      int   // records; 0 = 16,384
	MaxInFlightBytes int64 // 0 = 64 MiB

	// CreateTopics creates an unknown topic with Partitions partitions (0 = the
	// broker's default) and the broker's default replication.
	CreateTopics bool
	Partitions   int32
}

const (
	defaultInFlight      = 16 << 10
	defaultInFlightBytes = 64 << 20
)

func (o PublisherOptions) withDefaults() PublisherOptions {
	if o.MaxInFlight == 0 {
		o.MaxInFlight = defaultInFlight
	}
	if o.MaxInFlightBytes == 0 {
		o.MaxInFlightBytes = defaultInFlightBytes
	}
	if o.Partitions == 0 {
		o.Partitions = -1
	}
	return o
}

// Publisher appends records with the acknowledgement of all in-sync replicas.
type Publisher struct {
	uplink  *uplink
	options PublisherOptions
}

var _ backends.Publisher = (*Publisher)(nil)

// Publish appends one record. Besides the codes of the interface: an explicit
// partition that the topic lacks is problem.Unprocessable, a name that cannot
// be a topic problem.InvalidName, too much in flight problem.Overloaded.
func (p *Publisher) Publish(ctx context.Context, topic string, message backends.Message) (backends.Receipt, error) {
	for {
		receipt, err := p.publish(ctx, topic, message)
		if !errors.Is(err, errRetired) {
			return receipt, err
		}
	}
}

// publish tries one session; errRetired means that nothing was handed over.
func (p *Publisher) publish(ctx context.Context, name string, message backends.Message) (backends.Receipt, error) {
	if err := CheckTopic(name); err != nil {
		return backends.Receipt{}, err
	}
	record := recordOf(name, message)
	if size := record.ByteSize(2); size > maxRecord {
		return backends.Receipt{}, problem.New(problem.BodyTooLarge, "the record has %d bytes with its key and headers; brokers take at most %d", size, maxRecord)
	}
	s, err := p.uplink.get(ctx)
	if err != nil {
		return backends.Receipt{}, err
	}
	if record.Partition, err = p.route(ctx, s, name, message); err != nil {
		return backends.Receipt{}, s.excuse(err)
	}
	receipt, err := s.lane.send(ctx, record, limits{int64(p.options.MaxInFlight), p.options.MaxInFlightBytes})
	if problem.CodeOf(err) == problem.NoSuchTopic {
		s.topics.forget(name, 0)
	}
	return receipt, err
}

// recordOf translates a message. Offset -1 stands for not known; the time is
// ours unless the topic's settings have the broker's win.
func recordOf(topic string, message backends.Message) *sarama.ProducerMessage {
	record := &sarama.ProducerMessage{Topic: topic, Offset: -1, Timestamp: time.Now().Truncate(time.Millisecond)}
	if message.Key != nil {
		record.Key = sarama.ByteEncoder(message.Key)
	}
	if !message.Tombstone {
		record.Value = sarama.ByteEncoder(notNil(message.Value))
	}
	if len(message.Headers) > 0 {
		record.Headers = make([]sarama.RecordHeader, len(message.Headers))
		for i, header := range message.Headers {
			record.Headers[i] = sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value}
		}
	}
	return record
}

// notNil keeps an empty value apart from a null one.
func notNil(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// route chooses the partition: the caller's, the key's, or the next in turn.
func (p *Publisher) route(ctx context.Context, s *session, name string, message backends.Message) (int32, error) {
	topic, err := p.topic(ctx, s, name)
	if err != nil {
		return 0, err
	}
	if message.Partition != nil && *message.Partition >= topic.partitions {
		s.topics.forget(name, absentFor) // it may have been added just now
		if topic, err = p.topic(ctx, s, name); err != nil {
			return 0, err
		}
	}
	switch {
	case topic.partitions == 0:
		return 0, away(sarama.ErrLeaderNotAvailable, "the topic has no partitions yet")
	case message.Partition == nil && message.Key == nil:
		return int32(topic.turn.Add(1) % uint32(topic.partitions)), nil
	case message.Partition == nil:
		return partitionOf(message.Key, topic.partitions), nil
	case *message.Partition < 0 || *message.Partition >= topic.partitions:
		return 0, problem.New(problem.Unprocessable, "the topic has the partitions 0 to %d", topic.partitions-1)
	}
	return *message.Partition, nil
}

func (p *Publisher) topic(ctx context.Context, s *session, name string) (*topic, error) {
	topic, err := s.topics.get(ctx, name)
	if problem.CodeOf(err) == problem.NoSuchTopic && p.options.CreateTopics {
		return s.create(ctx, name, p.options.Partitions)
	}
	return topic, err
}
