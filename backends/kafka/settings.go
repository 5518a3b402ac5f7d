package kafka

import (
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// protocolVersion is what the client speaks at most: the first version with
// topic ids. Brokers from 2.1 to 4.x understand it, since sarama steps down to
// what a broker offers.
var protocolVersion = sarama.V2_8_0_0

// The client's patience. A broker that accepts and stays silent is noticed by
// the check that a stalled caller asks for (see uplink), long before these end.
const (
	dialTimeout  = time.Second
	ioTimeout    = 10 * time.Second
	ackTimeout   = 8 * time.Second // how long a broker waits for its replicas
	checkTimeout = time.Second     // for the question whether a broker is alive
)

// How often a write is tried again within one session, which the broker's
// sequence numbers make safe, and how often metadata is asked for while a
// partition has no leader: both span an orderly change of leaders.
const (
	retries        = 20
	retryPause     = 100 * time.Millisecond
	metadataMaxAge = time.Minute
)

// maxRecord is the largest batch that brokers take unless told otherwise, less
// room for the batch's own head.
const maxRecord = 1<<20 - 1024

// saramaConfig translates a config; it fails on one that can never work.
func saramaConfig(config Config) (*sarama.Config, error) {
	if len(config.Brokers) == 0 {
		return nil, fmt.Errorf("kafka: no brokers are given")
	}
	c := sarama.NewConfig()
	c.Version = protocolVersion
	c.ClientID = config.ClientID
	if c.ClientID == "" {
		c.ClientID = "ottogate"
	}
	c.ChannelBufferSize = 256

	c.Net.DialTimeout, c.Net.ReadTimeout, c.Net.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
	c.Net.MaxOpenRequests = 1 // what sarama's idempotent producer demands

	c.Metadata.Full = false // only the topics in use
	c.Metadata.AllowAutoTopicCreation = false
	c.Metadata.RefreshFrequency = metadataMaxAge
	c.Metadata.Retry.Max = retries

	c.Producer.Idempotent = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Timeout = ackTimeout
	c.Producer.MaxMessageBytes = maxRecord
	c.Producer.Partitioner = sarama.NewManualPartitioner // we choose, as Kafka's own client would
	c.Producer.Return.Successes, c.Producer.Return.Errors = true, true
	c.Producer.Retry.Max = retries
	c.Producer.Transaction.Retry.Max = retries // also for a producer id, which a young broker has not ready at once

	if config.TLS != nil {
		c.Net.TLS.Enable, c.Net.TLS.Config = true, config.TLS
	}
	if err := setSASL(c, config.SASL); err != nil {
		return nil, err
	}
	return c, c.Validate()
}

func setSASL(c *sarama.Config, user *SASL) error {
	if user == nil {
		return nil
	}
	c.Net.SASL.Enable = true
	c.Net.SASL.Version = sarama.SASLHandshakeV1
	c.Net.SASL.User, c.Net.SASL.Password = user.Username, user.Password
	switch user.Mechanism {
	case Plain:
		c.Net.SASL.Mechanism = sarama.SASLTypePlaintext
	case ScramSHA256:
		c.Net.SASL.Mechanism = sarama.SASLTypeSCRAMSHA256
		c.Net.SASL.SCRAMClientGeneratorFunc = newScramSHA256
	case ScramSHA512:
		c.Net.SASL.Mechanism = sarama.SASLTypeSCRAMSHA512
		c.Net.SASL.SCRAMClientGeneratorFunc = newScramSHA512
	default:
		return fmt.Errorf("kafka: SASL mechanism %q is not known", user.Mechanism)
	}
	return nil
}

// bind gives a session its own copy of the settings, whose connections go
// through wires and whose pauses end when the wires are cut: sarama sleeps
// through its retries even when its client has been closed.
func bind(settings *sarama.Config, wires *wires) *sarama.Config {
	c := *settings
	c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, wires
	c.Producer.Retry.BackoffFunc, c.Producer.Transaction.Retry.BackoffFunc, c.Metadata.Retry.BackoffFunc = wires.pause, wires.pause, wires.pause
	return &c
}
