// Package kafka publishes to and reads from Apache Kafka, or whatever speaks
// its protocol, with the client library sarama.
package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Config says how to reach the brokers.
type Config struct {
	Brokers  []string    // host:port of some brokers; the others are found through them
	SASL     *SASL       // nil = no proof of identity
	TLS      *tls.Config // nil = plain connections
	ClientID string      // appears in the brokers' logs and quotas; "" = ottogate
}

// SASL is a user of the brokers.
type SASL struct {
	Mechanism Mechanism
	Username  string
	Password  string
}

// Mechanism is a way of proof.
type Mechanism string

// The mechanisms.
const (
	Plain       Mechanism = "plain" // sends the password itself; wants TLS
	ScramSHA256 Mechanism = "scram-sha-256"
	ScramSHA512 Mechanism = "scram-sha-512"
)

// Conn is the connection to one cluster, shared by every component that names
// it. It keeps two sarama clients, because a broker answers the requests of
// one connection in turn, and reads that wait for news would hold up writes.
// All its methods are safe for concurrent use.
type Conn struct {
	writing *uplink
	reading *uplink
	readers *hubs
	close   func()
}

var _ backends.Prober = (*Conn)(nil)

// Open gives a connection that is set up in the background: it returns at once
// also when no broker is there, and fails only on a config that can never work.
// ctx bounds nothing but Open itself; Close ends the connection.
func Open(_ context.Context, config Config, log *slog.Logger) (*Conn, error) {
	settings, err := saramaConfig(config)
	if err != nil {
		return nil, err
	}
	log = log.With("backend", "kafka")
	c := &Conn{
		writing: newUplink(config.Brokers, settings, openWriting, log),
		reading: newUplink(config.Brokers, settings, openReading, log),
	}
	c.readers = newHubs(c.reading, log)
	c.close = sync.OnceFunc(func() {
		c.readers.close()
		c.reading.close()
		c.writing.close()
	})
	return c, nil
}

// Publisher gives a publisher with its own limits; any number may share c.
func (c *Conn) Publisher(options PublisherOptions) *Publisher {
	return &Publisher{uplink: c.writing, options: options.withDefaults()}
}

// Subscriber gives the reader of topics; all of them share what was read.
func (c *Conn) Subscriber() *Subscriber {
	return &Subscriber{uplink: c.reading, hubs: c.readers}
}

// Probe asks a broker whether it serves this client, for reading and writing.
func (c *Conn) Probe(ctx context.Context) error {
	if _, err := c.writing.get(ctx); err != nil {
		return err
	}
	s, err := c.reading.get(ctx)
	if err != nil {
		return err
	}
	_, err = await(ctx, s, func() (struct{}, error) { return struct{}{}, s.probe() })
	return classify(err)
}

// Close ends all that goes on, with problem.ShuttingDown for whoever waits, and
// returns when every goroutine of the connection has ended. Records that were
// handed over already are given closePatience to be acknowledged. It may be
// called twice.
func (c *Conn) Close() error {
	c.close()
	return nil
}

// CheckTopic refuses a name that no broker would accept.
func CheckTopic(name string) error {
	if name == "" || len(name) > 249 || name == "." || name == ".." {
		return invalidTopic(name)
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return invalidTopic(name)
		}
	}
	return nil
}

func invalidTopic(name string) error {
	return problem.New(problem.InvalidName, "%q is no topic name: 1 to 249 of letters, digits, dot, underscore, hyphen", shorten(name))
}

func shorten(text string) string {
	if len(text) <= 80 {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes)", text[:80], len(text))
}
