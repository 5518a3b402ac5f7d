package kafka

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/IBM/sarama"
	"github.com/eapache/go-resiliency/breaker"

	"github.com/ottogate/ottogate/problem"
)

// retryAfter is what callers are told while brokers are away: the time within
// which the uplink notices that they are back.
const retryAfter = time.Second

// classify maps a failure of a call that changed nothing to the closed set of
// codes. Contexts' errors stay as they are.
func classify(err error) error {
	var known *problem.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var code sarama.KError
	if errors.As(err, &code) {
		return classifyCode(code, err)
	}
	if unreachable(err) {
		return errAway(err)
	}
	return problem.Wrap(problem.BadBackend, err, "the broker's answer makes no sense")
}

// classifyWrite is classify for a record that was handed over. Unless the
// broker refused the record itself it may be in the log: an earlier attempt
// may have put it there before its acknowledgement was lost.
func classifyWrite(err error) error {
	failure := problem.From(classify(err))
	if status := problem.KindOf(failure.Code).Status; status >= 500 {
		failure.Unknown = true
	}
	return failure
}

// classifyCode maps what a broker said.
func classifyCode(code sarama.KError, err error) error {
	switch code {
	case sarama.ErrUnknownTopicOrPartition:
		return problem.Wrap(problem.NoSuchTopic, err, "the broker does not have this topic")
	case sarama.ErrInvalidTopic:
		return problem.Wrap(problem.InvalidName, err, "the broker refuses the topic's name")
	case sarama.ErrMessageSizeTooLarge:
		return problem.Wrap(problem.BodyTooLarge, err, "the record is larger than the topic allows")
	case sarama.ErrInvalidRecord, sarama.ErrInvalidTimestamp, sarama.ErrPolicyViolation:
		return problem.Wrap(problem.Unprocessable, err, "the topic's settings do not allow this record; a compacted topic, for one, needs a key")
	case sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed, sarama.ErrSASLAuthenticationFailed, sarama.ErrTransactionalIDAuthorizationFailed:
		return away(err, "the broker does not let this gateway do that")
	case sarama.ErrNotEnoughReplicas, sarama.ErrNotEnoughReplicasAfterAppend, sarama.ErrRequestTimedOut:
		return away(err, "the topic has too few replicas in sync right now")
	case sarama.ErrLeaderNotAvailable, sarama.ErrNotLeaderForPartition, sarama.ErrReplicaNotAvailable, sarama.ErrFencedLeaderEpoch,
		sarama.ErrUnknownLeaderEpoch, sarama.ErrOffsetNotAvailable, sarama.ErrBrokerNotAvailable, sarama.ErrKafkaStorageError, sarama.ErrNotController:
		return away(err, "the partition has no leader right now")
	}
	return problem.Wrap(problem.BadBackend, err, "the broker failed in an unexpected way")
}

// passing says whether a broker's answer will be another one once the client
// has looked for the partition's leader again.
func passing(code sarama.KError) bool {
	return code != sarama.ErrNoError && problem.CodeOf(classifyCode(code, code)) == problem.Unavailable
}

// unreachable says whether an error means that nobody answered.
func unreachable(err error) bool {
	var network net.Error
	for _, gone := range []error{
		errLost, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, breaker.ErrBreakerOpen, sarama.ErrOutOfBrokers, sarama.ErrClosedClient,
		sarama.ErrNotConnected, sarama.ErrShuttingDown, sarama.ErrControllerNotAvailable, sarama.ErrIncompleteResponse, sarama.ErrNoTopicsToUpdateMetadata,
	} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return errors.As(err, &network)
}

// errAway says that no broker can be reached.
func errAway(err error) *problem.Error { return away(err, "no broker can be reached") }

func away(err error, detail string) *problem.Error {
	return &problem.Error{Code: problem.Unavailable, Detail: detail, Err: err, RetryAfter: retryAfter}
}

func errShuttingDown() *problem.Error {
	return problem.New(problem.ShuttingDown, "the connection to the brokers is being closed")
}
