package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// reconnectPause lies between two attempts to reach the brokers: short, so
// that the service is back within a second of theirs.
const reconnectPause = 250 * time.Millisecond

// closePatience is how long Close waits for records that were handed over.
const closePatience = 5 * time.Second

// opener makes a session; it ends early when ctx does.
type opener func(ctx context.Context, brokers []string, settings *sarama.Config) (*session, error)

// uplink keeps a session to the brokers and is its circuit breaker: while no
// broker answers, callers are refused at once, and one attempt after another
// in the background, not callers, finds out when that is over.
type uplink struct {
	brokers  []string
	settings *sarama.Config
	open     opener
	log      *slog.Logger

	mu      sync.Mutex
	session *session      // nil while there is none
	err     error         // why there is none; nil while the first attempt runs
	changed chan struct{} // closed when session or err changes

	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

func newUplink(brokers []string, settings *sarama.Config, open opener, log *slog.Logger) *uplink {
	ctx, cancel := context.WithCancel(context.Background())
	u := &uplink{brokers: brokers, settings: settings, open: open, log: log, changed: make(chan struct{}), ctx: ctx, cancel: cancel}
	u.tasks.Go(u.run)
	return u
}

// get gives the present session. It waits only while the very first attempt
// runs; when the brokers are away it fails at once.
func (u *uplink) get(ctx context.Context) (*session, error) {
	for {
		u.mu.Lock()
		s, err, changed := u.session, u.err, u.changed
		u.mu.Unlock()
		switch {
		case u.ctx.Err() != nil:
			return nil, errShuttingDown()
		case s != nil:
			return s, nil
		case err != nil:
			return nil, errAway(err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (u *uplink) set(s *session, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.session, u.err = s, err
	close(u.changed)
	u.changed = make(chan struct{})
}

// run opens one session after the other until the uplink is closed.
func (u *uplink) run() {
	defer u.set(nil, errLost)
	for u.ctx.Err() == nil {
		s, err := u.open(u.ctx, u.brokers, u.settings)
		if err != nil {
			u.away(err)
			u.sleep(reconnectPause)
			continue
		}
		u.log.Info("connected to the brokers")
		u.use(s)
	}
}

// away tells why there is no session, and logs it once per reason.
func (u *uplink) away(err error) {
	u.mu.Lock()
	known := u.err != nil && u.err.Error() == err.Error()
	u.mu.Unlock()
	if !known && u.ctx.Err() == nil {
		u.log.Warn("no broker can be reached", "error", err)
	}
	u.set(nil, err)
}

// use offers a session, and its successors while they can be had without a
// break, until it is lost or the uplink is closed.
func (u *uplink) use(s *session) {
	u.set(s, nil)
	for {
		select {
		case <-u.ctx.Done():
			u.set(nil, errLost)
			u.retire(s)
			return
		case <-s.worn:
			s = u.succeed(s)
		case <-s.suspicion:
			if err := u.check(s); err != nil {
				u.away(err)
				s.giveUp()
				u.tasks.Go(s.finish)
				return
			}
		}
	}
}

// succeed replaces a session that works badly; while no better one can be had
// it stays.
func (u *uplink) succeed(s *session) *session {
	next, err := u.open(u.ctx, u.brokers, u.settings)
	if err != nil {
		u.sleep(reconnectPause)
		s.suspect()
		return s
	}
	u.set(next, nil)
	u.tasks.Go(func() { u.retire(s) })
	return next
}

// retire ends a session when its records are acknowledged, or after
// closePatience.
func (u *uplink) retire(s *session) {
	late := time.AfterFunc(closePatience, s.giveUp)
	defer late.Stop()
	s.finish()
	s.giveUp()
}

// check finds out whether any broker answers on a fresh connection. That one
// broker of several is gone is for sarama to deal with.
func (u *uplink) check(s *session) error {
	wires := newWires(func() {})
	defer wires.cut()
	defer context.AfterFunc(u.ctx, wires.cut)()
	defer time.AfterFunc(checkTimeout, wires.cut).Stop()
	config := bind(u.settings, wires)
	addresses := u.addresses(s)
	verdicts := make(chan error, len(addresses))
	for address := range addresses {
		go func() { verdicts <- greet(address, config) }()
	}
	var alive bool
	var last error
	for range addresses {
		if err := <-verdicts; err != nil {
			last = err
			continue
		}
		alive = true
		wires.cut() // the others need not finish
	}
	if alive {
		return nil
	}
	return last
}

// addresses are all places where a broker was ever seen.
func (u *uplink) addresses(s *session) map[string]struct{} {
	found := make(map[string]struct{})
	for _, address := range u.brokers {
		found[address] = struct{}{}
	}
	for _, broker := range s.client.Brokers() {
		found[broker.Addr()] = struct{}{}
	}
	return found
}

// greet connects to a broker, which exchanges versions and credentials.
func greet(address string, config *sarama.Config) error {
	broker := sarama.NewBroker(address)
	if err := broker.Open(config); err != nil {
		return err
	}
	connected, err := broker.Connected()
	if connected {
		_ = broker.Close() // the answer is known
	}
	return err
}

// sleep waits for d or for the end of the uplink.
func (u *uplink) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-u.ctx.Done():
	}
}

// close ends the session and every goroutine, and waits for them.
func (u *uplink) close() {
	u.cancel()
	u.tasks.Wait()
}
