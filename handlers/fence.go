package handlers

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// fenceHeader guards a write by a lock's token.
const fenceHeader = "Lock-Fence"

// fenceAhead is how far a token may lie before the server's time, in which
// tokens are minted. Else one header could shut all others out.
const fenceAhead = time.Minute

// fenceOf reads Lock-Fence: {store}/{resource}={fence}. The store ends at the
// first slash, the fence begins behind the last equals sign, the resource is
// percent-encoded. Whoever names a resource must be allowed to lock it.
func (s *State) fenceOf(c *gin.Context) (*backends.Fence, error) {
	given := c.Request.Header.Values(fenceHeader)
	if len(given) == 0 {
		return nil, nil
	}
	store, rest, _ := strings.Cut(given[0], "/")
	at := strings.LastIndexByte(rest, '=')
	if at < 1 || len(given) > 1 { // an empty variable in a script must not make a write unguarded
		return nil, badFence()
	}
	resource, err := decodeKey(rest[:at])
	if err != nil {
		return nil, err
	}
	token, err := strconv.ParseUint(rest[at+1:], 10, 64)
	if err != nil {
		return nil, badFence()
	}
	keys, known := s.Locks[store]
	if !known || !s.Policy.Decide(appOf(c), access.Request{Action: access.Lock, Resource: store + "/" + resource}).Allowed {
		return nil, problem.New(problem.Forbidden, "no rule allows this app to lock the resource that %s names", fenceHeader)
	}
	if latest := time.Now().Add(fenceAhead).UnixMicro(); token > uint64(latest) {
		return nil, problem.New(problem.Unprocessable, "the fence lies in the future: no lock has given it out")
	}
	return &backends.Fence{Resource: keys.Of(appOf(c), resource), Token: token}, nil
}

func badFence() error {
	return problem.New(problem.InvalidParameter, "there must be one %s, and it must read {store}/{resource}={fence}, such as main/%s=42", fenceHeader, url.PathEscape("jobs/nightly"))
}
