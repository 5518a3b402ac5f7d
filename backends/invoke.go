package backends

import (
	"net/http"
	"time"
)

// Invoker passes HTTP requests to named services.
type Invoker interface {
	// Invoke sends r to the service and writes the upstream's answer to w,
	// streaming both ways; upgrades (WebSocket) take the connection over. It
	// returns an error only while nothing has been written to w; a failure
	// after that aborts the connection, so that the caller cannot take a cut
	// answer for a whole one. r's context ends with the caller; call.Deadline
	// bounds the time to the answer's headers only. An unknown service is problem.NoSuchService, an unreachable
	// or babbling upstream problem.BadUpstream, a request that has been here
	// before problem.Loop.
	Invoke(w http.ResponseWriter, r *http.Request, call Call) error
}

// Call is where a request goes. Who calls is in the request's request.Info.
type Call struct {
	Service  string
	Path     string    // escaped, begins with a slash; the query stays in r.URL
	Deadline time.Time // for the answer's headers; the zero time = none
}
