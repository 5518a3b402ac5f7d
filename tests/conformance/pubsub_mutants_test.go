package conformance

import (
	"bytes"
	"context"
	"testing"

	"github.com/ottogate/ottogate/backends"
)

// TestPubSubMutants: each of these broken drivers is noticed by its check.
func TestPubSubMutants(t *testing.T) { expectCaught(t, pubsubMutants()) }

func pubsubMutants() []mutant[*pubsubBed] {
	publisher := func(wrap func(backends.Publisher) backends.Publisher) func(*pubsubBed) *pubsubBed {
		return func(b *pubsubBed) *pubsubBed { b.Publisher = wrap(b.Publisher); return b }
	}
	subscriber := func(wrap func(backends.Subscriber) backends.Subscriber) func(*pubsubBed) *pubsubBed {
		return func(b *pubsubBed) *pubsubBed { b.Subscriber = wrap(b.Subscriber); return b }
	}
	return []mutant[*pubsubBed]{
		{"pubsub-drops-keys", "TestPubSub/devstack/equal keys share a partition, that of Kafka's own clients", publisher(func(p backends.Publisher) backends.Publisher { return dropsKeys{p} })},
		{"pubsub-tidies-json", "TestPubSub/devstack/numbers of many digits come back identical", publisher(func(p backends.Publisher) backends.Publisher { return tidiesValues{p} })},
		{"pubsub-empty-tombstone", "TestPubSub/devstack/tombstone is null", publisher(func(p backends.Publisher) backends.Publisher { return emptyTombstone{p} })},
		{"pubsub-wrong-receipt", "TestPubSub/devstack/200 publishers at once, each its own place", publisher(func(p backends.Publisher) backends.Publisher { return wrongReceipt{p} })},
		{"pubsub-believes-cursors", "TestPubSub/devstack/damaged cursor is refused", subscriber(func(s backends.Subscriber) backends.Subscriber { return believesCursors{s} })},
		{"pubsub-skips-on-resume", "TestPubSub/devstack/every delivery's cursor is the place behind it", subscriber(func(s backends.Subscriber) backends.Subscriber { return skipsOnResume{s} })},
		{"pubsub-hides-gaps", "TestPubSub/devstack/cursor behind retention is expired, or skips with a gap", subscriber(func(s backends.Subscriber) backends.Subscriber { return hidesGaps{s} })},
	}
}

type dropsKeys struct{ backends.Publisher }

func (d dropsKeys) Publish(ctx context.Context, topic string, m backends.Message) (backends.Receipt, error) {
	m.Key = nil
	return d.Publisher.Publish(ctx, topic, m)
}

// tidiesValues does what a round trip through a float does.
type tidiesValues struct{ backends.Publisher }

func (d tidiesValues) Publish(ctx context.Context, topic string, m backends.Message) (backends.Receipt, error) {
	m.Value = bytes.ReplaceAll(m.Value, []byte("9007199254740993"), []byte("9007199254740992"))
	return d.Publisher.Publish(ctx, topic, m)
}

type emptyTombstone struct{ backends.Publisher }

func (d emptyTombstone) Publish(ctx context.Context, topic string, m backends.Message) (backends.Receipt, error) {
	if m.Tombstone {
		m.Tombstone, m.Value = false, nil
	}
	return d.Publisher.Publish(ctx, topic, m)
}

// wrongReceipt names the place of a batch's first record for all of it.
type wrongReceipt struct{ backends.Publisher }

func (d wrongReceipt) Publish(ctx context.Context, topic string, m backends.Message) (backends.Receipt, error) {
	receipt, err := d.Publisher.Publish(ctx, topic, m)
	receipt.Offset -= receipt.Offset % 2
	return receipt, err
}

// believesCursors starts somewhere when a cursor makes no sense.
type believesCursors struct{ backends.Subscriber }

func (d believesCursors) Tail(ctx context.Context, topic string, start backends.Start) (backends.Tail, error) {
	tail, err := d.Subscriber.Tail(ctx, topic, start)
	if err != nil {
		return d.Subscriber.Tail(ctx, topic, backends.Start{From: backends.FromEarliest})
	}
	return tail, nil
}

type skipsOnResume struct{ backends.Subscriber }

func (d skipsOnResume) Tail(ctx context.Context, topic string, start backends.Start) (backends.Tail, error) {
	tail, err := d.Subscriber.Tail(ctx, topic, start)
	if err == nil && start.Cursor != "" {
		_, err = tail.Next(ctx)
	}
	return tail, err
}

type hidesGaps struct{ backends.Subscriber }

func (d hidesGaps) Tail(ctx context.Context, topic string, start backends.Start) (backends.Tail, error) {
	start.SkipLost = true
	return d.Subscriber.Tail(ctx, topic, start)
}
