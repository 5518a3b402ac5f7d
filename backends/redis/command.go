package redis

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// effect says what a lost reply means.
type effect bool

const (
	reading effect = false // nothing has changed, whatever happened
	writing effect = true  // it may or may not have been applied
)

// write is a command that changes something. It knows whether go-redis began
// to send it, and forbids go-redis to send it twice.
type write struct {
	*redis.Cmd
	sent atomic.Bool
}

func newWrite(ctx context.Context, args ...any) *write {
	return &write{Cmd: redis.NewCmd(ctx, args...)}
}

// Args is asked for when the command is put on the wire.
func (w *write) Args() []any {
	w.sent.Store(true)
	return w.Cmd.Args()
}

// NoRetry keeps a Cluster client, which repeats commands after a broken
// connection even with retries off, from doing so.
func (w *write) NoRetry() bool { return true }

// lostError is a call without a reply.
type lostError struct {
	cause error
	sent  bool // something of it may have reached Redis
}

// Error is the cause's text.
func (e *lostError) Error() string { return e.cause.Error() }

// Unwrap is the cause.
func (e *lostError) Unwrap() error { return e.cause }

// outcome looks for a lost reply among executed commands. Replied errors stay
// in their commands. executed is what the whole pipeline returned: with an
// error there and none in any command, no command was sent at all, because
// the connection could not be set up.
func outcome(commands []redis.Cmder, executed error) error {
	for _, command := range commands {
		if err := command.Err(); err != nil && !isReply(err) {
			return &lostError{cause: err, sent: anySent(commands)}
		}
	}
	if executed != nil {
		return &lostError{cause: executed}
	}
	return nil
}

func anySent(commands []redis.Cmder) bool {
	for _, command := range commands {
		if w, ok := command.(*write); ok && w.sent.Load() && !isDialError(w.Err()) {
			return true
		}
	}
	return false
}

// setUpFailure is executed's error if no command of the pipeline has one.
func setUpFailure(commands []redis.Cmder, executed error) error {
	if executed == nil {
		return nil
	}
	failed := func(command redis.Cmder) bool { return command.Err() != nil }
	if slices.ContainsFunc(commands, failed) {
		return nil
	}
	return executed
}

// sizeOf estimates the bytes that a command takes on the wire.
func sizeOf(commands []redis.Cmder) int {
	size := 0
	for _, command := range commands {
		for _, arg := range argsOf(command) {
			switch arg := arg.(type) {
			case []byte:
				size += len(arg)
			case string:
				size += len(arg)
			}
			size += 8
		}
	}
	return size
}

// argsOf reads the arguments without marking a write as sent.
func argsOf(command redis.Cmder) []any {
	if w, ok := command.(*write); ok {
		return w.Cmd.Args()
	}
	return command.Args()
}
