package handlers

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
	"github.com/ottogate/ottogate/strictjson"
)

// appOf is the calling app.
func appOf(c *gin.Context) string { return request.From(c.Request.Context()).App }

// readBody reads the whole body; the middleware has bounded it.
func readBody(r *http.Request) ([]byte, error) {
	if n := r.ContentLength; 0 < n && n <= trustedLength {
		body := make([]byte, n)
		_, err := io.ReadFull(r.Body, body)
		return body, ofRead(err)
	}
	body, err := io.ReadAll(r.Body)
	return body, ofRead(err)
}

// trustedLength is how much memory a mere claim of a length gets; more grows
// as it comes.
const trustedLength = 64 << 10

// ofRead words a failure to read the caller's body.
func ofRead(err error) error {
	if _, known := errors.AsType[*problem.Error](err); err == nil || known {
		return err // the middleware's reader has said what was wrong
	}
	return problem.Wrap(problem.InvalidRequest, err, "the body ended early")
}

// writeJSON answers with a value that encodes as JSON.
func writeJSON(c *gin.Context, status int, value any) error {
	text, err := encode(value)
	if err != nil {
		return err
	}
	c.Data(status, "application/json; charset=utf-8", text)
	return nil
}

// control reads a JSON control body; an empty one stands for {}.
func control[T any](c *gin.Context) (T, error) {
	var none T
	if err := jsonType(c.Request.Header.Get("Content-Type")); err != nil {
		return none, err
	}
	body, err := readBody(c.Request)
	if err != nil || len(body) == 0 {
		return none, err
	}
	return strictjson.Decode[T](body)
}

func jsonType(contentType string) error {
	switch media := mediaType(contentType); {
	case media == "", media == formType, media == "application/json", strings.HasSuffix(media, "+json"):
		return nil
	default:
		return problem.New(problem.UnsupportedType, "this route takes application/json")
	}
}

// formType is what `curl -d` sends unasked; it counts as no type.
const formType = "application/x-www-form-urlencoded"

// mediaType is a Content-Type without its parameters, in lower case.
func mediaType(contentType string) string {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// durationParam reads a query parameter such as ttl=30s; 0 = absent. Present,
// it is a millisecond or more.
func durationParam(c *gin.Context, name string) (time.Duration, error) {
	text, present := c.GetQuery(name)
	if !present {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Millisecond {
		return 0, problem.New(problem.InvalidParameter, "%s must be a duration of 1ms or more such as 250ms, 30s or 1h", name)
	}
	return d, nil
}

// intParam reads a whole number between low and high.
func intParam(c *gin.Context, name string, absent, low, high int) (int, error) {
	text, present := c.GetQuery(name)
	if !present {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, problem.New(problem.InvalidParameter, "%s must be a whole number from %d to %d", name, low, high)
	}
	return n, nil
}

// boolParam reads true or false; absent is false.
func boolParam(c *gin.Context, name string) (bool, error) {
	switch text, present := c.GetQuery(name); {
	case !present, text == "false":
		return false, nil
	case text == "true":
		return true, nil
	default:
		return false, problem.New(problem.InvalidParameter, "%s must be true or false", name)
	}
}

// consistencyParam reads consistency=strong|eventual.
func consistencyParam(c *gin.Context) (backends.Consistency, error) {
	switch level := backends.Consistency(c.Query("consistency")); level {
	case backends.DefaultConsistency, backends.StrongConsistency, backends.EventualConsistency:
		return level, nil
	default:
		return "", problem.New(problem.InvalidParameter, "consistency must be strong or eventual")
	}
}

// tags are the entity tags of If-Match or If-None-Match.
type tags struct {
	any  bool
	list []string
}

// has says whether the current tag is among them.
func (t tags) has(etag string) bool {
	return t.any || slices.Contains(t.list, etag)
}

// tagsHeader reads a list of entity tags (RFC 9110 §8.8.3). Unquoted tags are
// accepted, since people type them. If-None-Match compares weakly, so W/ is
// dropped; If-Match compares strongly, so a weak tag stays one that no value
// has.
func tagsHeader(header http.Header, name string) tags {
	var found tags
	for _, line := range header.Values(name) {
		for line = strings.Trim(line, " \t,"); line != ""; line = strings.TrimLeft(line, " \t,") {
			var tag string
			tag, line = cutTag(line)
			switch {
			case tag == "*":
				found.any = true
			default:
				if name == "If-None-Match" {
					tag = strings.TrimPrefix(tag, "W/")
				}
				found.list = append(found.list, strings.Trim(tag, `"`))
			}
		}
	}
	return found
}

// cutTag takes the first entity tag of a list; a quoted one may hold commas.
func cutTag(line string) (tag, rest string) {
	start := strings.TrimPrefix(line, "W/")
	if strings.HasPrefix(start, `"`) {
		if end := strings.IndexByte(start[1:], '"'); end >= 0 {
			cut := len(line) - len(start) + end + 2
			return line[:cut], line[cut:]
		}
	}
	tag, rest, _ = strings.Cut(line, ",")
	return strings.TrimSpace(tag), rest
}

// conditionOf reads both conditional headers. One that is there but names no
// tag is refused: an empty variable in a script must not make a write
// unconditional.
func conditionOf(header http.Header) (backends.Condition, error) {
	match, none := tagsHeader(header, "If-Match"), tagsHeader(header, "If-None-Match")
	for name, found := range map[string]tags{"If-Match": match, "If-None-Match": none} {
		if len(header.Values(name)) > 0 && !found.any && len(found.list) == 0 {
			return backends.Condition{}, problem.New(problem.InvalidParameter, "%s names no entity tag", name)
		}
	}
	return backends.Condition{
		IfMatch: match.list, IfMatchAny: match.any,
		IfNoneMatch: none.list, IfNoneMatchAny: none.any,
	}, nil
}

// quote makes a tag fit for the ETag header.
func quote(etag string) string { return `"` + etag + `"` }

// millis is a duration as the contract's …Ms members say it, rounded up so
// that a lease that still runs never shows zero.
func millis(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
