package kafka

import (
	"context"

	"github.com/IBM/sarama"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Subscriber reads topics for clients that remember their own place. Aborted
// transactions are not seen. What tails return is shared among them: nobody
// may write to a Delivery's bytes.
type Subscriber struct {
	uplink *uplink
	hubs   *hubs
}

var _ backends.Subscriber = (*Subscriber)(nil)

// Tail starts to read; it waits for brokers to tell where start is.
func (s *Subscriber) Tail(ctx context.Context, name string, start backends.Start) (backends.Tail, error) {
	if err := CheckTopic(name); err != nil {
		return nil, err
	}
	session, err := s.uplink.get(ctx)
	if err != nil {
		return nil, err
	}
	topic, err := session.topics.get(ctx, name)
	if err != nil {
		return nil, err
	}
	positions, gap, err := locate(ctx, session, topic, start)
	if err != nil {
		return nil, classify(err)
	}
	return newTail(s, topic, positions, gap, start.SkipLost), nil
}

// locate finds the next offset of every partition; gap tells that records
// between a cursor and there are lost.
func locate(ctx context.Context, s *session, t *topic, start backends.Start) (positions []int64, gap bool, err error) {
	switch {
	case start.Cursor != "":
		return resume(ctx, s, t, start)
	case !start.Time.IsZero():
		positions, err = seek(ctx, s, t, max(0, start.Time.UnixMilli()))
	case start.From == backends.FromEarliest:
		positions, err = seek(ctx, s, t, sarama.OffsetOldest)
	default:
		positions, err = seek(ctx, s, t, sarama.OffsetNewest)
	}
	return positions, false, err
}

// seek finds a place by time; where there is nothing that new it is the end.
func seek(ctx context.Context, s *session, t *topic, at int64) ([]int64, error) {
	found, err := await(ctx, s, func() (map[int32]int64, error) {
		return s.offsets(t.name, all(t.partitions), at)
	})
	if err != nil {
		return nil, err
	}
	positions := make([]int64, t.partitions)
	var behind []int32
	for partition := range positions {
		positions[partition] = found[int32(partition)]
		if positions[partition] < 0 {
			behind = append(behind, int32(partition))
		}
	}
	if len(behind) == 0 {
		return positions, nil
	}
	ends, err := await(ctx, s, func() (map[int32]int64, error) {
		return s.offsets(t.name, behind, sarama.OffsetNewest)
	})
	for partition, end := range ends {
		positions[partition] = end
	}
	return positions, err
}

// resume goes on at a cursor and checks it against what the topic holds.
func resume(ctx context.Context, s *session, t *topic, start backends.Start) (positions []int64, gap bool, err error) {
	given, err := decodeCursor(t, start.Cursor)
	if err != nil {
		return nil, false, err
	}
	positions, err = seek(ctx, s, t, sarama.OffsetOldest)
	if err != nil {
		return nil, false, err
	}
	ends, err := seek(ctx, s, t, sarama.OffsetNewest)
	if err != nil {
		return nil, false, err
	}
	for partition, position := range given {
		switch {
		case position > ends[partition]:
			return nil, false, problem.New(problem.InvalidCursor, "the cursor lies beyond the topic's end")
		case position < positions[partition] && !start.SkipLost:
			return nil, false, expired()
		case position < positions[partition]:
			gap = true
		default:
			positions[partition] = position
		}
	}
	return positions, gap, nil
}

func expired() error {
	return problem.New(problem.CursorExpired, "the topic no longer holds the records behind the cursor")
}
