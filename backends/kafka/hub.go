package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/ottogate/ottogate/problem"
)

const (
	hubWait    = 500 * time.Millisecond // how long a broker holds a request without news
	hubBytes   = 2 << 20                // of one answer
	hubMemory  = 4 << 20                // of recent records, over all partitions of a topic
	hubLook    = time.Second            // how often the topic's layout is looked at
	hubPause   = 100 * time.Millisecond // after a failure
	minWindow  = 64 << 10               // of one partition
	hubLingers = 10 * time.Second       // without users
)

// hub reads the end of one topic once, for all tails that have caught up. It
// keeps the recent past in memory; a tail that falls behind that reads for
// itself until it has caught up again, so a slow reader costs the others
// nothing. One connection per leader, since a broker that holds a request for
// news answers nothing else on it meanwhile.
type hub struct {
	name   string
	id     sarama.Uuid
	uplink *uplink
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	windows []*window     // by partition
	changed chan struct{} // closed at every news
	failing bool          // nothing can be read just now
	err     error         // the hub is over

	users int         // under hubs.mu
	idle  *time.Timer // under hubs.mu; runs while there are no users
}

// run reads until the hub is cancelled or its topic is gone.
func (h *hub) run() {
	for h.ctx.Err() == nil {
		err := h.read()
		if over(err) {
			h.end(err)
			return
		}
		if err != nil {
			h.stumble()
			h.pause()
		}
	}
	h.end(errShuttingDown())
}

// over says whether an error will not pass.
func over(err error) bool {
	code := problem.CodeOf(err)
	return err != nil && (code == problem.NoSuchTopic || code == problem.ShuttingDown || code == problem.BadBackend)
}

func (h *hub) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	h.wake()
}

// stumble notes that nothing can be read for now.
func (h *hub) stumble() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing = true
}

func (h *hub) pause() {
	select {
	case <-time.After(hubPause):
	case <-h.ctx.Done():
	}
}

// wake tells every tail that there is news; it is called under mu.
func (h *hub) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// news gives a channel that is closed at the next news, and what went wrong.
func (h *hub) news() (<-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil && h.failing {
		return h.changed, errAway(errLost)
	}
	return h.changed, h.err
}

// read reads with one layout of the topic until that changes or fails.
func (h *hub) read() error {
	s, err := h.uplink.get(h.ctx)
	if err != nil {
		return err
	}
	topic, err := h.look(s)
	if err != nil {
		return err
	}
	if err := h.extend(s, topic); err != nil {
		return classify(err)
	}
	plan, err := await(h.ctx, s, func() (map[*sarama.Broker][]int32, error) {
		_ = s.client.RefreshMetadata(h.name) // if it fails, so does the next call
		groups, err := s.byLeader(h.name, all(topic.partitions))
		if len(groups) > 0 {
			err = nil // the rest is looked for again at the next look
		}
		return groups, err
	})
	if err != nil {
		return classify(err)
	}
	return h.follow(s, topic, plan)
}

// look finds the topic, which must still be the one that the hub was made for.
func (h *hub) look(s *session) (*topic, error) {
	topic, err := s.topics.get(h.ctx, h.name)
	if err == nil && topic.id != h.id {
		err = problem.New(problem.NoSuchTopic, "the topic was deleted and made anew")
	}
	return topic, err
}

// extend makes windows for partitions that came since: all in them is news.
func (h *hub) extend(s *session, topic *topic) error {
	h.mu.Lock()
	known := int32(len(h.windows))
	h.mu.Unlock()
	if known >= topic.partitions {
		return nil
	}
	fresh := all(topic.partitions)[known:]
	earliest, err := await(h.ctx, s, func() (map[int32]int64, error) {
		return s.offsets(h.name, fresh, sarama.OffsetOldest)
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, partition := range fresh {
		h.windows = append(h.windows, &window{first: earliest[partition], next: earliest[partition]})
	}
	h.wake()
	return nil
}

// follow runs one poller per leader and ends all when one fails, when the
// layout changes, or with the session.
func (h *hub) follow(s *session, topic *topic, plan map[*sarama.Broker][]int32) error {
	wires := newWires(s.suspect)
	config := bind(s.config, wires)
	failures := make(chan error, len(plan))
	var pollers sync.WaitGroup
	covered := 0
	for leader, partitions := range plan {
		covered += len(partitions)
		pollers.Go(func() { failures <- h.poll(leader.Addr(), config, s, partitions) })
	}
	defer pollers.Wait()
	defer wires.cut()

	for {
		select {
		case err := <-failures:
			return err
		case <-s.lost:
			return errAway(errLost)
		case <-h.ctx.Done():
			return errShuttingDown()
		case <-time.After(hubLook):
		}
		now, err := h.look(s)
		if over(err) {
			return err
		}
		if err == nil && now.partitions != topic.partitions || covered < int(topic.partitions) {
			return nil
		}
	}
}

// poll reads some partitions from their leader until that fails.
func (h *hub) poll(address string, config *sarama.Config, s *session, partitions []int32) error {
	leader := sarama.NewBroker(address)
	if err := leader.Open(config); err != nil {
		return classify(err)
	}
	defer func() { _ = leader.Close() }() // it may be closed already
	for {
		answer, err := fetchFrom(leader, h.name, h.positions(partitions), hubWait, hubBytes)
		if err != nil {
			return classify(err)
		}
		lost, err := h.take(answer)
		if err != nil {
			return err
		}
		if len(lost) > 0 {
			if err := h.skip(s, lost); err != nil {
				return classify(err)
			}
		}
	}
}

func (h *hub) positions(partitions []int32) map[int32]int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	positions := make(map[int32]int64, len(partitions))
	for _, partition := range partitions {
		positions[partition] = h.windows[partition].next
	}
	return positions
}

// take adds what came to the windows and tells which positions are lost.
func (h *hub) take(answer map[int32]fetched) (lost []int32, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	news := false
	for partition, f := range answer {
		switch {
		case errors.Is(f.code, sarama.ErrNoError):
			news = news || f.next != h.windows[partition].next
			h.windows[partition].add(f, max(minWindow, hubMemory/len(h.windows)))
		case errors.Is(f.code, sarama.ErrOffsetOutOfRange):
			lost = append(lost, partition)
		default:
			err = classify(f.code)
		}
	}
	if err == nil {
		h.failing = false
	}
	if news {
		h.wake()
	}
	return lost, err
}

// skip goes on at the oldest record where retention was faster than the hub;
// tails find out about the gap for themselves.
func (h *hub) skip(s *session, lost []int32) error {
	earliest, err := await(h.ctx, s, func() (map[int32]int64, error) {
		return s.offsets(h.name, lost, sarama.OffsetOldest)
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for partition, position := range earliest {
		h.windows[partition].reset(position)
	}
	h.wake()
	return nil
}

// from gives records of a partition for a tail that is at a position; known is
// false when the tail has to fetch for itself.
func (h *hub) from(partition int, position int64, count int) (items []item, next int64, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if partition >= len(h.windows) || !h.windows[partition].covers(position) {
		return nil, position, false
	}
	items, next = h.windows[partition].from(position, count)
	return items, next, true
}

// partitions is how many the hub knows.
func (h *hub) partitions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.windows)
}
