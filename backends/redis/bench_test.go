package redis

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ottogate/ottogate/backends"
)

// BenchmarkGet compares Get with the plain client; -cpu and
// the parallelism give the concurrency.
func BenchmarkGet(b *testing.B) {
	conn := open(b, shared.Addr)
	s := conn.State(StateOptions{})
	if _, err := s.Put(b.Context(), "bench", backends.Value{Data: make([]byte, 256)}, backends.WriteOptions{}); err != nil {
		b.Fatal(err)
	}
	plain := redis.NewClient(&redis.Options{Addr: shared.Addr})
	defer plain.Close()
	for _, callers := range []int{1, 4, 16, 64, 256} {
		b.Run("conn/"+itoa(callers), func(b *testing.B) {
			before := conn.Stats()
			parallel(b, callers, func() error {
				_, err := s.Get(b.Context(), "bench", backends.ReadOptions{})
				return err
			})
			after := conn.Stats()
			b.ReportMetric(float64(after.Commands-before.Commands)/float64(after.Flushes-before.Flushes), "commands/flush")
		})
		b.Run("plain/"+itoa(callers), func(b *testing.B) {
			parallel(b, callers, func() error { return plain.Get(b.Context(), "bench").Err() })
		})
	}
}

// parallel shares b.N calls out over callers.
func parallel(b *testing.B, callers int, call func() error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}
