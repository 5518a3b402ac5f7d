package middleware

import (
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/problem"
)

// queryOf reads the query of a route that is there. Handlers read it leniently,
// which would make a parameter that cannot be read, or the second of a name, as
// good as absent: a value would stay for ever whose ttl was mistyped.
func queryOf(c *gin.Context) (url.Values, error) {
	raw := c.Request.URL.RawQuery
	if raw == "" || c.FullPath() == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, problem.Wrap(problem.InvalidParameter, err, "the query is malformed: write parameters as name=value, with & between them, and a percent sign as %%25")
	}
	for name, values := range query {
		if len(values) > 1 {
			return nil, problem.New(problem.InvalidParameter, "the query names %q more than once", name)
		}
	}
	return query, nil
}

// waitOf is the `wait` of a long poll. One that is no duration is left to the
// handler, which knows whether the route has such a parameter.
func waitOf(query url.Values) time.Duration {
	text := query.Get("wait")
	if text == "" {
		return 0
	}
	wait, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return wait
}
