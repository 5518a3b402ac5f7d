package redis

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ottogate/ottogate/problem"
)

// retryAfter is what callers are told while the breaker is open: by then the
// next probe has been made.
const retryAfter = time.Second

// replies maps the first word of an error that Redis replied to a code. None
// of these was applied. What is not listed is problem.BadBackend.
var replies = map[string]problem.Code{
	"LOADING":     problem.Unavailable, // still reading its file
	"READONLY":    problem.Unavailable, // a replica since a failover
	"MASTERDOWN":  problem.Unavailable,
	"CLUSTERDOWN": problem.Unavailable,
	"TRYAGAIN":    problem.Unavailable, // a slot is moving
	"MOVED":       problem.Unavailable, // more redirects than are followed
	"ASK":         problem.Unavailable,
	"NOREPLICAS":  problem.Unavailable,
	"MISCONF":     problem.Unavailable, // cannot save, so refuses writes
	"BUSY":        problem.Unavailable, // someone's script runs too long
	"OOM":         problem.Unavailable,
	"NOAUTH":      problem.Unavailable,
	"WRONGPASS":   problem.Unavailable,
	"NOPERM":      problem.Unavailable,
	"WRONGTYPE":   problem.ForeignValue,
	"CROSSSLOT":   problem.CrossSlot,
}

// phrases is the same for errors whose first word says nothing.
var phrases = []struct {
	text string
	code problem.Code
}{
	{"max number of clients", problem.Unavailable},
	{"would overflow", problem.Unprocessable},
	{"is not an integer", problem.ForeignValue},
	{"WRONGTYPE", problem.ForeignValue}, // as scripts before 7.0 tell it
	{"OOM command not allowed", problem.Unavailable},
	{"READONLY", problem.Unavailable},
}

// details are what callers read; Redis' own words go to the log.
var details = map[problem.Code]string{
	problem.Unavailable:   "the store refuses or does not answer",
	problem.ForeignValue:  "the stored value was not written by this gateway",
	problem.Unprocessable: "the store cannot do this",
	problem.CrossSlot:     "the keys lie in different slots of the Redis Cluster: give them a common hash tag, as in orders/{42}/head and orders/{42}/lines",
	problem.BadBackend:    "the store answered with an error",
}

// isReply tells errors that Redis replied from failures to get a reply.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

func isDialError(err error) bool {
	var dial *dialError
	return errors.As(err, &dial)
}

// mapError turns a failure of a call under ctx into a problem. A write without
// a reply that may have been sent is of unknown outcome.
func mapError(ctx context.Context, err error, kind effect) error {
	if err == nil {
		return nil
	}
	if _, known := errors.AsType[*problem.Error](err); known {
		return err
	}
	if isReply(err) {
		code := codeOfReply(err.Error())
		return problem.Wrap(code, err, "%s", details[code])
	}
	mapped := problem.Wrap(problem.Unavailable, err, "%s", details[problem.Unavailable])
	mapped.RetryAfter = retryAfter
	if ended := endOf(ctx); ended != nil { // the socket's own timeouts look alike
		mapped = problem.From(ended)
	}
	var lost *lostError
	mapped.Unknown = kind == writing && errors.As(err, &lost) && lost.sent
	return mapped
}

// endOf is ctx's error, also in the moment in which its deadline has passed
// and its timer has yet to fire: a socket with the same deadline may be first.
func endOf(ctx context.Context) error {
	if deadline, bounded := ctx.Deadline(); bounded && time.Until(deadline) <= 0 {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

func codeOfReply(text string) problem.Code {
	text = strings.TrimPrefix(text, "ERR ")
	word, _, _ := strings.Cut(text, " ")
	if code, ok := replies[word]; ok {
		return code
	}
	for _, phrase := range phrases {
		if strings.Contains(text, phrase.text) {
			return phrase.code
		}
	}
	return problem.BadBackend
}
