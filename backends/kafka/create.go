package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/sarama"

	"github.com/ottogate/ottogate/problem"
)

// createTimeout is how long a broker may take to create a topic, and
// createLook how often we ask whether it is there.
const (
	createTimeout = 5 * time.Second
	createLook    = 25 * time.Millisecond
)

// create makes a topic and waits until it is known; that somebody else makes
// it at the same time is no failure.
func (s *session) create(ctx context.Context, name string, partitions int32) (*topic, error) {
	_, err := await(ctx, s, func() (struct{}, error) { return struct{}{}, s.requestTopic(name, partitions) })
	if err != nil {
		return nil, classify(err)
	}
	for {
		s.topics.forget(name, 0)
		found, err := s.topics.get(ctx, name)
		if code := problem.CodeOf(err); code != problem.NoSuchTopic && code != problem.Unavailable {
			return found, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.lost:
			return nil, errAway(errLost)
		case <-time.After(createLook):
		}
	}
}

// requestTopic asks any broker, which passes the request on to the controller.
func (s *session) requestTopic(name string, partitions int32) error {
	broker := s.client.LeastLoadedBroker()
	if broker == nil {
		return sarama.ErrOutOfBrokers
	}
	details := map[string]*sarama.TopicDetail{name: {NumPartitions: partitions, ReplicationFactor: -1}}
	response, err := broker.CreateTopics(sarama.NewCreateTopicsRequest(protocolVersion, details, createTimeout, false))
	if err != nil {
		drop(broker)
		return err
	}
	refused := response.TopicErrors[name]
	if refused == nil || errors.Is(refused.Err, sarama.ErrNoError) || errors.Is(refused.Err, sarama.ErrTopicAlreadyExists) {
		return nil
	}
	return refused.Err
}
