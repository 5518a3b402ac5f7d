package servers

import (
	"context"
	"net"
	"testing"
	"time"
)

func TestKafkaSurvivesRestartAndKill(t *testing.T) {
	t.Parallel()
	k := NewKafka(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := k.CreateTopic(ctx, "kept", 2); err != nil {
		t.Fatal(err)
	}
	addr := k.Addr
	k.Kill()
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Fatal("the killed broker still listens")
	}
	if err := k.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateTopic(ctx, "kept", 2); err == nil || k.Addr != addr {
		t.Fatalf("after the restart at %s (was %s) the topic is gone", k.Addr, addr)
	}
}

func TestKafkaLeavesATakenPort(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	jars, version, err := kafkaJars()
	if err != nil {
		t.Fatal(err)
	}
	dir, tries := t.TempDir(), 0
	k, err := onFreePorts(2, func(ports []int) (*Kafka, error) {
		if tries++; tries == 1 {
			taken, err := net.Listen("tcp", loopback(ports[0]))
			if err != nil {
				return nil, err
			}
			defer taken.Close()
		}
		return startKafkaOn(ctx, dir, jars, version, ports, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Kill()
	if tries != 2 {
		t.Errorf("%d tries", tries)
	}
}
