package kafka

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

const (
	tailBytes = 256 << 10              // of one answer while a tail catches up
	tailBatch = 64                     // records taken from a hub's partition at once
	tailPause = 500 * time.Millisecond // after which a waiting tail looks again unasked
	patience  = 5 * time.Second        // how long a tail stands an outage before it tells
)

// tail is one reader. It has no goroutine: Next takes records from the
// topic's hub or, behind what the hub remembers, fetches for itself.
type tail struct {
	subscriber *Subscriber
	topic      *topic
	hash       [8]byte
	skipLost   bool

	positions []int64 // of the next record, by partition
	queue     []item  // taken, not yet returned
	gap       bool    // to be told with the next record
	failing   time.Time

	hub    *hub // nil until the tail has caught up for the first time
	closed chan struct{}
	close  func()
	mu     sync.Mutex // guards hub against Close
}

var _ backends.Tail = (*tail)(nil)

func newTail(s *Subscriber, topic *topic, positions []int64, gap, skipLost bool) *tail {
	t := &tail{subscriber: s, topic: topic, hash: topicHash(topic), positions: positions, gap: gap, skipLost: skipLost, closed: make(chan struct{})}
	t.close = sync.OnceFunc(func() {
		close(t.closed)
		t.leave()
	})
	return t
}

// Next waits for the next record. It stands an outage of the brokers for some
// seconds before it fails.
func (t *tail) Next(ctx context.Context) (backends.Delivery, error) {
	for {
		if err := t.over(ctx); err != nil {
			return backends.Delivery{}, err
		}
		if len(t.queue) > 0 {
			return t.deliver(), nil
		}
		news, err := t.advance(ctx)
		if err == nil {
			t.failing = time.Time{}
		}
		switch {
		case err != nil && ctx.Err() == nil && !t.mayPass(err):
			return backends.Delivery{}, err
		case err != nil || len(t.queue) == 0 && news != nil:
			t.wait(ctx, news)
		}
	}
}

// over says why there is no point in going on.
func (t *tail) over(ctx context.Context) error {
	select {
	case <-t.closed:
		return problem.New(problem.ShuttingDown, "the reader is closed")
	default:
		return ctx.Err()
	}
}

// deliver returns the first of the queue and moves behind it.
func (t *tail) deliver() backends.Delivery {
	next := t.queue[0]
	t.queue = t.queue[1:]
	t.positions[next.record.Partition] = next.after
	next.record.Cursor = t.Cursor()
	next.record.Gap, t.gap = t.gap, false
	return next.record
}

// mayPass says whether to go on after a failure: for as long as patience lasts.
func (t *tail) mayPass(err error) bool {
	if problem.CodeOf(err) != problem.Unavailable {
		return false
	}
	if t.failing.IsZero() {
		t.failing = time.Now()
	}
	return time.Since(t.failing) < patience
}

func (t *tail) wait(ctx context.Context, news <-chan struct{}) {
	pause := time.NewTimer(tailPause)
	defer pause.Stop()
	select {
	case <-news:
	case <-pause.C:
	case <-t.closed:
	case <-ctx.Done():
	}
}

// advance fills the queue with what is there. News is closed when there is
// more; it is taken before looking, so that nothing falls in between. Nil says
// that looking again may help at once.
func (t *tail) advance(ctx context.Context) (news <-chan struct{}, err error) {
	hub := t.joined()
	if hub == nil {
		if moved, err := t.fetch(ctx, all(int32(len(t.positions)))); err != nil || moved {
			return nil, err
		}
		if hub, err = t.join(); err != nil {
			return nil, err
		}
	}
	if news, err = hub.news(); err != nil {
		return news, err
	}
	if err := t.extend(ctx, hub.partitions()); err != nil {
		return news, err
	}
	if behind := t.takeFrom(hub); len(behind) > 0 {
		moved, err := t.fetch(ctx, behind)
		if moved {
			return nil, err
		}
		return news, err
	}
	return news, nil
}

// extend begins to read partitions that were added since, from their start.
func (t *tail) extend(ctx context.Context, count int) error {
	if count <= len(t.positions) {
		return nil
	}
	s, err := t.subscriber.uplink.get(ctx)
	if err != nil {
		return err
	}
	added := all(int32(count))[len(t.positions):]
	earliest, err := await(ctx, s, func() (map[int32]int64, error) {
		return s.offsets(t.topic.name, added, sarama.OffsetOldest)
	})
	if err != nil {
		return classify(err)
	}
	for _, partition := range added {
		t.positions = append(t.positions, earliest[partition])
	}
	return nil
}

// takeFrom queues what the hub has and tells the partitions in which the tail
// is behind it.
func (t *tail) takeFrom(hub *hub) (behind []int32) {
	for partition, position := range t.positions {
		items, next, known := hub.from(partition, position, tailBatch)
		switch {
		case !known:
			behind = append(behind, int32(partition))
		case len(items) == 0:
			t.positions[partition] = next
		default:
			t.queue = append(t.queue, items...)
		}
	}
	return behind
}

// fetch queues what brokers have of some partitions right now, and says
// whether that led anywhere.
func (t *tail) fetch(ctx context.Context, partitions []int32) (moved bool, err error) {
	s, err := t.subscriber.uplink.get(ctx)
	if err != nil {
		return false, err
	}
	wanted := make(map[int32]int64, len(partitions)) // a copy: ask may outlive ctx
	for _, partition := range partitions {
		wanted[partition] = t.positions[partition]
	}
	answer, err := await(ctx, s, func() (map[int32]fetched, error) { return s.ask(t.topic.name, wanted) })
	if err != nil {
		return false, classify(err)
	}
	for partition, f := range answer {
		switch {
		case errors.Is(f.code, sarama.ErrNoError):
			moved = moved || f.next > wanted[partition]
			t.take(partition, f)
		case errors.Is(f.code, sarama.ErrOffsetOutOfRange):
			moved, err = true, errors.Join(err, t.skip(ctx, s, partition))
		default:
			err = errors.Join(err, classify(f.code))
		}
	}
	return moved, err
}

func (t *tail) take(partition int32, f fetched) {
	if len(f.items) == 0 {
		t.positions[partition] = f.next
	}
	t.queue = append(t.queue, f.items...)
}

// ask puts one request to the leader of each partition, and has leaders looked
// for again when one is not where it was. It blocks and is to be run by await.
func (s *session) ask(topic string, wanted map[int32]int64) (map[int32]fetched, error) {
	groups, failure := s.byLeader(topic, slices.Collect(maps.Keys(wanted)))
	result := make(map[int32]fetched, len(wanted))
	stale := failure != nil
	for leader, group := range groups {
		positions := make(map[int32]int64, len(group))
		for _, partition := range group {
			positions[partition] = wanted[partition]
		}
		answer, err := fetchFrom(leader, topic, positions, 0, tailBytes)
		if err != nil {
			drop(leader)
			failure, stale = err, true
		}
		for partition, f := range answer {
			result[partition] = f
			stale = stale || passing(f.code)
		}
	}
	if stale {
		_ = s.client.RefreshMetadata(topic) // if it fails, so does the next request
	}
	if len(result) == 0 {
		return nil, failure
	}
	return result, nil
}

// skip goes on behind records that retention took, if the reader agreed to it.
func (t *tail) skip(ctx context.Context, s *session, partition int32) error {
	if !t.skipLost {
		return expired()
	}
	earliest, err := await(ctx, s, func() (map[int32]int64, error) {
		return s.offsets(t.topic.name, []int32{partition}, sarama.OffsetOldest)
	})
	if err != nil {
		return classify(err)
	}
	t.gap, t.positions[partition] = true, earliest[partition]
	return nil
}

func (t *tail) joined() *hub {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hub
}

// join enters the topic's hub; a tail that was closed meanwhile does not.
func (t *tail) join() (*hub, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.closed:
		return nil, problem.New(problem.ShuttingDown, "the reader is closed")
	default:
	}
	hub, err := t.subscriber.hubs.join(t.topic, t.positions)
	t.hub = hub
	return hub, err
}

func (t *tail) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hub != nil {
		t.subscriber.hubs.leave(t.hub)
	}
}

// Cursor is the place behind all that Next returned.
func (t *tail) Cursor() string { return encodeCursor(t.hash, t.positions) }

// Close leaves the hub; a Next that waits returns.
func (t *tail) Close() error {
	t.close()
	return nil
}
