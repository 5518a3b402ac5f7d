package servers

import (
	"context"
	"net"
	"testing"
	"time"
)

func TestRedisRestartsOnTheSamePort(t *testing.T) {
	r := NewRedis(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	addr, pid := r.Addr, r.PID()
	r.Kill()
	if err := redisAnswers(ctx, addr); err == nil {
		t.Fatal("a killed server answers")
	}
	if err := r.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if r.Addr != addr || r.PID() == pid {
		t.Fatalf("restarted at %s as %d, was %s as %d", r.Addr, r.PID(), addr, pid)
	}
}

func TestPausedRedisIsSilentUntilResumed(t *testing.T) {
	r := NewRedis(t)
	r.Pause()
	if err := redisAnswers(t.Context(), r.Addr); err == nil {
		t.Fatal("a frozen server answers")
	}
	r.Resume()
	if err := redisAnswers(t.Context(), r.Addr); err != nil {
		t.Fatal(err)
	}
}

func TestFailedStartTellsWhy(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := StartRedis(ctx, t.TempDir(), "--no-such-option", "1")
	if err == nil {
		t.Fatal("a bad option was accepted")
	}
	t.Log(err)
}

func TestTakenPortIsTriedElsewhere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var tries []int
	r, err := onFreePorts(1, func(ports []int) (*Redis, error) {
		if tries = append(tries, ports[0]); len(tries) == 1 {
			taken, err := net.Listen("tcp", loopback(ports[0]))
			if err != nil {
				return nil, err
			}
			defer taken.Close()
		}
		return startRedisOn(ctx, t.TempDir(), ports[0])
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Kill()
	if len(tries) != 2 || r.Addr != loopback(tries[1]) {
		t.Errorf("tried ports %v, runs at %s", tries, r.Addr)
	}
}

func TestOtherFailuresAreNotTriedAgain(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tries := 0
	_, err := onFreePorts(1, func(ports []int) (*Redis, error) {
		tries++
		return startRedisOn(ctx, t.TempDir(), ports[0], "--no-such-option", "1")
	})
	if err == nil || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

func TestMissingBinaryIsAnError(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := StartRedis(t.Context(), t.TempDir()); err == nil {
		t.Fatal("started without a binary")
	}
}
