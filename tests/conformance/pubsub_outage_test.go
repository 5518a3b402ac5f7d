package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/devstack"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

// comeback is how soon after its broker's return publishing has to work.
const comeback = 2 * time.Second

// outageBed is a broker of one check alone, which it may stop.
type outageBed struct {
	*pubsubBed
	stop, start func(t *testing.T)
	frozen      *servers.Kafka // nil where freezing would freeze the tests too
}

// TestPubSubOutage opens a broker per check, since each check breaks its own.
func TestPubSubOutage(t *testing.T) {
	outages := []check[func(*testing.T) *outageBed]{
		{"stopped broker: Unavailable at once, recovery after restart", outagePublish},
		{"reader goes on after a restart without a gap", outageTail},
		{"waiting callers are told inside their deadline", outageWaiting},
		{"frozen broker: deadlines hold, then Unavailable at once, recovery after the thaw", outageFrozen},
	}
	conform(t, []driver[func(*testing.T) *outageBed]{
		{"devstack", func(*testing.T) (func(*testing.T) *outageBed, string) { return breakableEmbedded, "(the dev stack's)" }},
		{"kafka", func(t *testing.T) (func(*testing.T) *outageBed, string) {
			broker := servers.NewKafka(t)
			return func(t *testing.T) *outageBed { return breakableReal(t, broker) }, broker.Version + " (KRaft)"
		}},
	}, []check[func(*testing.T) *outageBed]{{"in turn", func(t *testing.T, open func(*testing.T) *outageBed) {
		for _, c := range outages {
			t.Run(c.name, func(t *testing.T) { c.run(t, open) })
		}
	}}}, nil)
}

func breakableEmbedded(t *testing.T) *outageBed {
	t.Helper()
	config := devstack.KafkaConfig{DataDir: t.TempDir()}
	broker := startEmbedded(t, config)
	config.Listen = broker.Addr()
	return &outageBed{
		pubsubBed: connectKafka(t, broker.Addr()),
		stop:      func(*testing.T) { broker.Stop() },
		start:     func(t *testing.T) { broker = startEmbedded(t, config) },
	}
}

// breakableReal kills the broker, which is harder than stopping it.
func breakableReal(t *testing.T, broker *servers.Kafka) *outageBed {
	t.Helper()
	return &outageBed{
		pubsubBed: connectKafka(t, broker.Addr), frozen: broker,
		stop: func(*testing.T) { broker.Kill() },
		start: func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := broker.Restart(ctx); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func outagePublish(t *testing.T, open func(*testing.T) *outageBed) {
	b := open(t)
	topic := b.topic(t, 3)
	b.sendValues(t, topic, "before")
	b.stop(t)
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		begin := time.Now()
		_, err := b.Publish(ctx, topic, backends.Message{})
		cancel()
		wantCode(t, err, problem.Unavailable)
		if took := time.Since(begin); took > time.Second {
			t.Fatalf("the answer took %v", took)
		}
	}
	begin := time.Now()
	for range 1000 {
		_, err := b.Publish(t.Context(), topic, backends.Message{})
		wantCode(t, err, problem.Unavailable)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("1000 refusals took %v", took)
	}
	_, err := b.Tail(t.Context(), topic, backends.Start{})
	wantCode(t, err, problem.Unavailable)

	b.start(t)
	b.recovers(t, topic)
}

// recovers waits until publishing works, at most for comeback.
func (b *outageBed) recovers(t *testing.T, topic string) {
	t.Helper()
	within(t, comeback, "publishing", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.Publish(ctx, topic, backends.Message{Value: []byte("after")})
		return err == nil
	})
}

func outageTail(t *testing.T, open func(*testing.T) *outageBed) {
	b := open(t)
	topic := b.topic(t, 1)
	b.sendValues(t, topic, "before", "unread")
	tail := b.fromStart(t, topic)
	wantValues(t, tail, "before")
	cursor := tail.Cursor()
	b.stop(t)
	b.start(t)
	b.recovers(t, topic)
	wantValues(t, b.tail(t, topic, backends.Start{Cursor: cursor}), "unread", "after")
}

func outageWaiting(t *testing.T, open func(*testing.T) *outageBed) {
	b := open(t)
	topic := b.topic(t, 3)
	b.sendValues(t, topic, "before")
	const callers, deadline = 64, 2 * time.Second
	late := make(chan time.Duration, callers)
	for range callers {
		go func() {
			worst := time.Duration(0)
			for end := time.Now().Add(time.Second); time.Now().Before(end); {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				begin := time.Now()
				_, _ = b.Publish(ctx, topic, backends.Message{}) // its fate is the broker's
				cancel()
				worst = max(worst, time.Since(begin))
				time.Sleep(time.Millisecond)
			}
			late <- worst
		}()
	}
	time.Sleep(300 * time.Millisecond)
	b.stop(t)
	for range callers {
		if worst := <-late; worst > deadline+500*time.Millisecond {
			t.Errorf("an answer took %v", worst)
		}
	}
	b.start(t)
	b.recovers(t, topic)
}

// outageFrozen is for a broker in a process of its own; the driver's tests
// freeze the sockets of the embedded one.
func outageFrozen(t *testing.T, open func(*testing.T) *outageBed) {
	b := open(t)
	if b.frozen == nil {
		return
	}
	topic := b.topic(t, 1)
	b.sendValues(t, topic, "before")
	b.frozen.Pause()
	defer b.frozen.Resume()
	const deadline = 500 * time.Millisecond
	within(t, messaging, "a refusal at once", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		begin := time.Now()
		_, err := b.Publish(ctx, topic, backends.Message{})
		took := time.Since(begin)
		if took > 2*deadline {
			t.Fatalf("a deadline of %v took %v", deadline, took)
		}
		return problem.CodeOf(err) == problem.Unavailable && took < 10*time.Millisecond
	})
	b.frozen.Resume()
	b.recovers(t, topic)
}
