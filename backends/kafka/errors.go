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
	if err == nil || errors.As(err, &known) || ofContext(err) {
		return err
	}
	if code, ok := errors.AsType[sarama.KError](err); ok {
		return classifyCode(code, err)
	}
	if unreachable(err) {
		return errAway(err)
	}
	return problem.Wrap(problem.BadBackend, err, "the broker's answer makes no sense")
}

// ofContext says whether a caller's context has ended. A socket that timed out
// or was cut while dialling claims to be such an error too.
func ofContext(err error) bool {
	_, ofSocket := errors.AsType[*net.OpError](err)
	return !ofSocket && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
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

// meaning is what a broker's error code means to callers.
type meaning struct {
	code   problem.Code
	detail string
}

// What several codes have in common.
var (
	noLeader   = meaning{problem.Unavailable, "the partition has no leader right now"}
	fewInSync  = meaning{problem.Unavailable, "the topic has too few replicas in sync right now"}
	notReady   = meaning{problem.Unavailable, "the broker is not ready yet"}
	outOfStep  = meaning{problem.Unavailable, "the broker and this gateway disagree about what was written before"}
	notAllowed = meaning{problem.Unavailable, "the broker does not let this gateway do that"}
	forbidden  = meaning{problem.Unprocessable, "the topic's settings do not allow this record; a compacted topic, for one, needs a key"}
)

// meanings are the codes that brokers are known to answer with; any other one
// is problem.BadBackend.
var meanings = map[sarama.KError]meaning{
	sarama.ErrUnknownTopicOrPartition: {problem.NoSuchTopic, "the broker does not have this topic"},
	sarama.ErrInvalidTopic:            {problem.InvalidName, "the broker refuses the topic's name"},
	sarama.ErrMessageSizeTooLarge:     {problem.BodyTooLarge, "the record is larger than the topic allows"},
	sarama.ErrInvalidRecord:           forbidden,
	sarama.ErrInvalidTimestamp:        forbidden,
	sarama.ErrPolicyViolation:         forbidden,

	sarama.ErrTopicAuthorizationFailed:           notAllowed,
	sarama.ErrClusterAuthorizationFailed:         notAllowed,
	sarama.ErrTransactionalIDAuthorizationFailed: notAllowed,
	sarama.ErrSASLAuthenticationFailed:           notAllowed,

	sarama.ErrNotEnoughReplicas:            fewInSync,
	sarama.ErrNotEnoughReplicasAfterAppend: fewInSync,
	sarama.ErrRequestTimedOut:              fewInSync,

	sarama.ErrLeaderNotAvailable:    noLeader,
	sarama.ErrNotLeaderForPartition: noLeader,
	sarama.ErrReplicaNotAvailable:   noLeader,
	sarama.ErrFencedLeaderEpoch:     noLeader,
	sarama.ErrUnknownLeaderEpoch:    noLeader,
	sarama.ErrOffsetNotAvailable:    noLeader,
	sarama.ErrBrokerNotAvailable:    noLeader,
	sarama.ErrKafkaStorageError:     noLeader,

	sarama.ErrNotController:                   notReady,
	sarama.ErrOffsetsLoadInProgress:           notReady,
	sarama.ErrConsumerCoordinatorNotAvailable: notReady,
	sarama.ErrNetworkException:                notReady,
	sarama.ErrThrottlingQuotaExceeded:         notReady,

	sarama.ErrOutOfOrderSequenceNumber: outOfStep,
	sarama.ErrInvalidProducerEpoch:     outOfStep,
	sarama.ErrInvalidProducerIDMapping: outOfStep,
	sarama.ErrUnknownProducerID:        outOfStep,
	sarama.ErrProducerFenced:           outOfStep,
}

// classifyCode maps what a broker said.
func classifyCode(code sarama.KError, err error) error {
	known, ok := meanings[code]
	switch {
	case !ok:
		return problem.Wrap(problem.BadBackend, err, "the broker failed in an unexpected way")
	case known.code == problem.Unavailable:
		return away(err, known.detail)
	}
	return &problem.Error{Code: known.code, Detail: known.detail, Err: err}
}

// wornOut says whether a failure will stay with a producer although its broker
// is well: sarama refuses a partition for ten seconds, or the broker does not
// believe the producer's count of records.
func wornOut(err error) bool {
	code, fromBroker := errors.AsType[sarama.KError](err)
	return errors.Is(err, breaker.ErrBreakerOpen) || fromBroker && meanings[code] == outOfStep
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
