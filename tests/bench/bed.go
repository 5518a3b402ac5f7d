package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ottogate/ottogate/devstack"
	"github.com/ottogate/ottogate/tests/servers"
)

// What all subjects share.
const (
	topic      = "bench"
	partitions = 8
	apiKey     = "bench"
)

// bed is the backends that all subjects work on.
type bed struct {
	dir      string
	gateway  string // path of the binary
	redis    *servers.Redis
	kafka    *servers.Kafka
	apollo   *devstack.Apollo
	upstream *subject
	toClose  []func()
}

// openBed starts the backends; after an error nothing of it runs any more.
func openBed(ctx context.Context, plan plan) (*bed, error) {
	gateway, err := filepath.Abs(plan.gateway)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(gateway); err != nil {
		return nil, fmt.Errorf("build the gateway first: %w", err)
	}
	dir, err := os.MkdirTemp("", "ottogate-bench-")
	if err != nil {
		return nil, err
	}
	b := &bed{dir: dir, gateway: gateway}
	b.toClose = append(b.toClose, func() { _ = os.RemoveAll(dir) })
	for _, step := range []func(context.Context) error{b.startRedis, b.startKafka, b.startApollo, b.buildOthers, b.startUpstream} {
		if err := step(ctx); err != nil {
			b.close()
			return nil, err
		}
	}
	return b, nil
}

// close ends everything, last in first out.
func (b *bed) close() {
	for _, end := range slices.Backward(b.toClose) {
		end()
	}
}

func (b *bed) folder(name string) string {
	path := filepath.Join(b.dir, name)
	_ = os.MkdirAll(path, 0o700) // whoever uses it reports a missing one
	return path
}

func (b *bed) startRedis(ctx context.Context) (err error) {
	if b.redis, err = servers.StartRedis(ctx, b.folder("redis")); err == nil {
		b.toClose = append(b.toClose, b.redis.Kill)
	}
	return err
}

func (b *bed) startKafka(ctx context.Context) (err error) {
	if b.kafka, err = servers.StartKafka(ctx, b.folder("kafka")); err != nil {
		return err
	}
	b.toClose = append(b.toClose, b.kafka.Kill)
	return b.kafka.CreateTopic(ctx, topic, partitions)
}

func (b *bed) startApollo(ctx context.Context) (err error) {
	b.apollo, err = devstack.StartApollo(ctx, devstack.ApolloConfig{Seed: devstack.ApolloDemo()})
	if err == nil {
		b.toClose = append(b.toClose, func() { _ = b.apollo.Stop() })
	}
	return err
}
