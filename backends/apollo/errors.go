package apollo

import (
	"context"
	"errors"
	"fmt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// The failures of a contact with Apollo, before they get a code.
var (
	errAbsent        = errors.New("apollo: 404")
	errForeignAbsent = errors.New("apollo: 404, but not in Apollo's words")
	errUnsigned      = errors.New("apollo: 401, the access key is missing or wrong")
	errGarbage       = errors.New("apollo: an answer that cannot be right")
	errUnmodified    = errors.New("apollo: 304")
	errIncremental   = errors.New("apollo: changes against a release instead of the items")
)

// statusError is an answer with a status that no call expects.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("apollo: status %d", int(e)) }

// noSuchGroup is the answer for a group that Apollo does not have.
func noSuchGroup(ref backends.GroupRef) error {
	return problem.New(problem.NoSuchGroup, "Apollo has no released group %q of app %q", ref.Group, ref.App)
}

// classify maps the failure of a contact to a code. ctx is the contact's: when
// it has ended, that is the reason, whatever err says.
func classify(ctx context.Context, err error) error {
	var known *problem.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(err, errUnsigned):
		return problem.Wrap(problem.Unavailable, err, "Apollo refuses the gateway's access key for this app")
	case errors.Is(err, errGarbage):
		return problem.Wrap(problem.BadBackend, err, "Apollo's answer cannot be right")
	default:
		return problem.Wrap(problem.Unavailable, err, "Apollo cannot be reached")
	}
}
