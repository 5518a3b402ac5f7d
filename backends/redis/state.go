package redis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// StateOptions are a state component's settings.
type StateOptions struct {
	Encoding Encoding
	Strong   Strong
}

// State keeps each value in one Redis string under the key as it is given. A
// plain Get, Put or Delete is one command, a conditional write one script.
// Reads go to the master. Under EncodingRaw the ETag is a hash of the
// content, so that a value written back has its old tag again.
type State struct {
	conn     *Conn
	encoding Encoding
	codec    codec
	strong   Strong
}

var (
	_ backends.StateStore  = (*State)(nil)
	_ backends.Lister      = (*State)(nil)
	_ backends.Incrementer = (*State)(nil)
	_ backends.Transactor  = (*State)(nil)
	_ backends.Watcher     = (*State)(nil)
)

// Get reads one key; bytes of another encoding are problem.ForeignValue.
func (s *State) Get(ctx context.Context, key string, options backends.ReadOptions) (backends.Item, error) {
	get := redis.NewStringCmd(ctx, "get", key)
	if !options.WithTTL {
		if err := s.conn.do(ctx, reading, get); err != nil {
			return backends.Item{}, err
		}
		return s.read(ctx, get)
	}
	left := redis.NewIntCmd(ctx, "pttl", key)
	if err := s.conn.do(ctx, reading, get, left); err != nil {
		return backends.Item{}, err
	}
	item, err := s.read(ctx, get)
	if err != nil {
		return item, err
	}
	return withTTL(ctx, item, left)
}

func (s *State) read(ctx context.Context, get *redis.StringCmd) (backends.Item, error) {
	stored, err := get.Bytes()
	if errors.Is(err, redis.Nil) {
		return backends.Item{}, noSuchKey()
	}
	if err != nil {
		return backends.Item{}, mapError(ctx, err, reading)
	}
	return s.codec.decode(stored)
}

// withTTL adds PTTL's answer: -1 for a key without expiry, -2 for one that
// has expired since it was read.
func withTTL(ctx context.Context, item backends.Item, left *redis.IntCmd) (backends.Item, error) {
	ms, err := left.Result()
	switch {
	case err != nil:
		return backends.Item{}, mapError(ctx, err, reading)
	case ms == -2:
		return backends.Item{}, noSuchKey()
	case ms >= 0:
		item.TTL = max(milliseconds(ms), time.Millisecond)
	}
	return item, nil
}

// Put writes value and expiry in one step.
func (s *State) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	if options.Fence != nil {
		result, err := s.one(ctx, backends.Operation{Kind: backends.OperationPut, Key: key, Value: value, Options: options})
		return result.ETag, err
	}
	stored, etag, err := s.codec.encode(value)
	if err != nil {
		return "", err
	}
	to := s.sender(options.Consistency)
	if conditionIsNative(options.Condition) {
		err = s.set(ctx, to, key, stored, options)
	} else {
		err = s.guarded(ctx, to, key, options, "set", stored)
	}
	if err == nil {
		err = to.settled()
	}
	if err != nil {
		return "", withETag(err, etag)
	}
	return etag, nil
}

// conditionIsNative tells conditions that SET itself can check.
func conditionIsNative(c backends.Condition) bool {
	return len(c.IfMatch) == 0 && len(c.IfNoneMatch) == 0 && !(c.IfMatchAny && c.IfNoneMatchAny)
}

func (s *State) set(ctx context.Context, to sender, key string, stored []byte, options backends.WriteOptions) error {
	args := []any{"set", key, stored}
	switch {
	case options.KeepTTL:
		args = append(args, "keepttl")
	case options.TTL > 0:
		args = append(args, "px", wholeMilliseconds(options.TTL))
	}
	if options.IfMatchAny {
		args = append(args, "xx")
	}
	if options.IfNoneMatchAny {
		args = append(args, "nx")
	}
	command := newWrite(ctx, args...)
	if err := to.do(ctx, writing, command); err != nil {
		return err
	}
	err := command.Err()
	if errors.Is(err, redis.Nil) {
		return preconditionFailed()
	}
	return mapError(ctx, err, writing)
}

// Delete removes the key.
func (s *State) Delete(ctx context.Context, key string, options backends.WriteOptions) error {
	if options.Fence != nil {
		_, err := s.one(ctx, backends.Operation{Kind: backends.OperationDelete, Key: key, Options: options})
		return err
	}
	to := s.sender(options.Consistency)
	if err := s.remove(ctx, to, key, options); err != nil {
		return err
	}
	return to.settled()
}

func (s *State) remove(ctx context.Context, to sender, key string, options backends.WriteOptions) error {
	if !options.Unconditional() {
		return s.guarded(ctx, to, key, options, "del", nil)
	}
	command := newWrite(ctx, "del", key)
	if err := to.do(ctx, writing, command); err != nil {
		return err
	}
	return mapError(ctx, command.Err(), writing)
}

// withETag notes on a write of unknown outcome which tag it would have left.
func withETag(err error, etag string) error {
	var failure *problem.Error
	if errors.As(err, &failure) && failure.Unknown {
		failure.ETag = etag
	}
	return err
}

func noSuchKey() error { return problem.New(problem.NoSuchKey, "nothing is stored under this key") }

func preconditionFailed() error {
	return problem.New(problem.PreconditionFailed, "the key's current state does not meet the condition")
}

// milliseconds is a time that Redis told.
func milliseconds(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// wholeMilliseconds is a time that Redis is told: rounded up, so that a short
// one does not become none.
func wholeMilliseconds(d time.Duration) int64 {
	whole := d.Milliseconds()
	if d%time.Millisecond > 0 {
		whole++
	}
	return whole
}
