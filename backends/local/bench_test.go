package local

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/ottogate/ottogate/backends"
)

// Durable puts of 256 bytes by 64 writers: the figure that group commit is for.
// It falls with the number of keys, as every touched page is written anew.
func BenchmarkPut64Writers(b *testing.B) {
	for _, keys := range []int{10, 1000} {
		b.Run(fmt.Sprintf("keys=%d", 64*keys), func(b *testing.B) { benchmarkPut(b, keys) })
	}
}

func benchmarkPut(b *testing.B, keys int) {
	b.Helper()
	const writers = 64
	store := openNew(b).State()
	value := backends.Value{Data: bytes.Repeat([]byte("x"), 256), ContentType: "application/json"}
	b.SetParallelism(writers / runtime.GOMAXPROCS(0))
	var writer atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		name := fmt.Sprintf("writer-%d/", writer.Add(1))
		for i := 0; pb.Next(); i++ {
			if _, err := store.Put(b.Context(), fmt.Sprintf("%s%d", name, i%keys), value, backends.WriteOptions{}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

func BenchmarkGet(b *testing.B) {
	store := openNew(b).State()
	if _, err := store.Put(b.Context(), "key", backends.Value{Data: bytes.Repeat([]byte("x"), 256)}, backends.WriteOptions{}); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := store.Get(b.Context(), "key", backends.ReadOptions{}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
