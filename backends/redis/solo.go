package redis

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// solo runs the call of a lone caller in his own goroutine: handing it to a
// worker would cost more than the command. It has a client with one
// connection, which nobody else uses, so that a caller who leaves can cut it.
type solo struct {
	client redis.UniversalClient
	counts *counts
	socket atomic.Pointer[net.Conn]
}

// newSolo makes a solo for a single server, nil for other modes: behind
// Sentinel a second client would be a second listener to the sentinels.
func newSolo(config Config, breaker *breaker, counts *counts) *solo {
	if config.Mode != Standalone && config.Mode != "" {
		return nil
	}
	s := &solo{counts: counts}
	s.client = config.client(1, func(conn net.Conn) { s.socket.Store(&conn) })
	s.client.AddHook(breaker)
	return s
}

// run must not be called by two callers at a time.
func (s *solo) run(ctx context.Context, commands []redis.Cmder) error {
	if err := ctx.Err(); err != nil {
		return &lostError{cause: err}
	}
	done := make(chan struct{})
	keep := context.AfterFunc(ctx, func() { s.cut(); close(done) })
	err := s.execute(ctx, commands)
	if !keep() {
		<-done // or it would cut the next caller's call
	}
	s.counts.add(len(commands))
	return outcome(commands, setUpFailure(commands, err))
}

func (s *solo) execute(ctx context.Context, commands []redis.Cmder) error {
	if len(commands) == 1 {
		return s.client.Process(ctx, commands[0])
	}
	pipeline := s.client.Pipeline()
	_ = pipeline.BatchProcess(ctx, commands...) // queues; it cannot fail
	_, err := pipeline.Exec(ctx)
	return err
}

// cut wakes a caller who waits for a reply that he no longer wants.
func (s *solo) cut() {
	if socket := s.socket.Load(); socket != nil {
		_ = (*socket).Close()
	}
}
