package problem

// Code names one kind of failure. The set is closed: every code has a row in
// the table below, a page at /problems/{code}, and a place in docs/problems.md.
type Code string

// The codes, in the order of their statuses.
const (
	InvalidRequest     Code = "invalid-request"
	InvalidBody        Code = "invalid-body"
	InvalidParameter   Code = "invalid-parameter"
	InvalidName        Code = "invalid-name"
	InvalidKey         Code = "invalid-key"
	EmptyKey           Code = "empty-key"
	InvalidCursor      Code = "invalid-cursor"
	Unauthenticated    Code = "unauthenticated"
	InvalidCredential  Code = "invalid-credential"
	Forbidden          Code = "forbidden"
	ForeignOrigin      Code = "foreign-origin"
	NoSuchRoute        Code = "no-such-route"
	NoSuchComponent    Code = "no-such-component"
	NoSuchKey          Code = "no-such-key"
	NoSuchTopic        Code = "no-such-topic"
	NoSuchGroup        Code = "no-such-group"
	NoSuchLock         Code = "no-such-lock"
	NoSuchService      Code = "no-such-service"
	MethodNotAllowed   Code = "method-not-allowed"
	NotAcceptable      Code = "not-acceptable"
	BodyTimeout        Code = "body-timeout"
	LockHeld           Code = "lock-held"
	NotOwner           Code = "not-owner"
	LeaseExpired       Code = "lease-expired"
	CursorExpired      Code = "cursor-expired"
	PreconditionFailed Code = "precondition-failed"
	StaleFence         Code = "stale-fence"
	BodyTooLarge       Code = "body-too-large"
	URITooLong         Code = "uri-too-long"
	UnsupportedType    Code = "unsupported-media-type"
	HeadersTooLarge    Code = "headers-too-large"
	Unprocessable      Code = "unprocessable"
	CrossSlot          Code = "cross-slot"
	QueryTooWide       Code = "query-too-wide"
	RateLimited        Code = "rate-limited"
	TooManyInFlight    Code = "too-many-in-flight"
	ClientClosed       Code = "client-closed"
	Internal           Code = "internal"
	NotImplemented     Code = "not-implemented"
	Unsupported        Code = "unsupported"
	BadBackend         Code = "bad-backend"
	BadUpstream        Code = "bad-upstream"
	ForeignValue       Code = "foreign-value"
	Unavailable        Code = "backend-unavailable"
	Overloaded         Code = "overloaded"
	ShuttingDown       Code = "shutting-down"
	DeadlineExceeded   Code = "deadline-exceeded"
	Loop               Code = "loop-detected"
)

// Kind is what the product says about a code, in problem documents and on
// the page that the problem's type points at.
type Kind struct {
	Code      Code
	Status    int
	Title     string
	Retriable bool   // the same request may succeed later
	Meaning   string // what happened, for the caller
	Advice    string // what the caller can do
}

// kinds is the one table from which statuses, titles and pages come.
var kinds = [...]Kind{
	{InvalidRequest, 400, "Invalid request", false, "The request line or its headers could not be understood.", "Correct the request; detail says what was wrong."},
	{InvalidBody, 400, "Invalid body", false, "The body is not the JSON document that this route expects: an unknown field, a duplicate key, trailing data, invalid UTF-8, a wrong type or too deep.", "Correct the place that errors[].pointer names."},
	{InvalidParameter, 400, "Invalid parameter", false, "A query parameter or header has a value that is not allowed.", "Correct the parameter that detail names."},
	{InvalidName, 400, "Invalid name", false, "A topic, group or owner does not match the allowed form.", "Use a name of the form that detail gives."},
	{InvalidKey, 400, "Invalid key", false, "The key holds a control character, is not valid UTF-8 or is longer than 1,024 bytes.", "Percent-encode the key once and shorten it where needed."},
	{EmptyKey, 400, "Empty key", false, "The path ends where a key should stand.", "Put the key after exactly one slash."},
	{InvalidCursor, 400, "Invalid cursor", false, "The cursor was not made by this gateway for this place.", "Start again without a cursor, or use one from an answer for the same place."},
	{Unauthenticated, 401, "Authentication required", false, "The request carries no credential and unproved callers are not let in.", "Send Authorization: Bearer <key> or X-Api-Key: <key>."},
	{InvalidCredential, 401, "Invalid credential", false, "The credential is unknown, expired, malformed, or belongs to another app than a second one in the same request.", "Use a current credential of exactly one app."},
	{Forbidden, 403, "Forbidden", false, "No allow rule of the calling app covers this action. The answer is the same whether or not the thing exists.", "Ask the platform team for a rule; `ottogate check --app A --do 'METHOD PATH'` shows the decision."},
	{ForeignOrigin, 403, "Foreign origin", false, "A browser sent this request from a page of another origin, or under a host name that this listener does not serve.", "Add the origin to server.cors.origins if it is yours."},
	{NoSuchRoute, 404, "No such route", false, "The gateway has no route at this path.", "See /openapi.json or /docs for the routes."},
	{NoSuchComponent, 404, "No such component", false, "No component of this kind has this name.", "Check the component's name in the configuration."},
	{NoSuchKey, 404, "No such key", false, "Nothing is stored under this key, or it has expired.", "Write the key first, or treat it as absent."},
	{NoSuchTopic, 404, "No such topic", false, "The broker has no such topic and the gateway may not create it.", "Create the topic, or check its name."},
	{NoSuchGroup, 404, "No such group", false, "The configuration store has no such group.", "Check the group's and the app's name."},
	{NoSuchLock, 404, "No such lock", false, "Nobody holds this lock.", "Acquire it first."},
	{NoSuchService, 404, "No such service", false, "No service has this name.", "Check the service's name in the configuration."},
	{MethodNotAllowed, 405, "Method not allowed", false, "The path exists, but not with this method.", "Use one of the methods in the Allow header."},
	{NotAcceptable, 406, "Not acceptable", false, "The thing has no representation that the Accept header allows.", "Widen the Accept header."},
	{BodyTimeout, 408, "Body too slow", true, "The body arrived too slowly.", "Send it again over a faster connection."},
	{LockHeld, 409, "Lock held", true, "Another owner holds the lock.", "Try again after retryAfterMs."},
	{NotOwner, 409, "Not the owner", false, "The lock is held by another owner than the one named.", "Stop working under this lock: it is no longer yours."},
	{LeaseExpired, 410, "Lease expired", false, "The lease was yours and has expired.", "Acquire the lock again; it gets a larger fence."},
	{CursorExpired, 410, "Cursor expired", false, "The cursor points behind what the broker still keeps.", "Start again with from=earliest; records in between are gone."},
	{PreconditionFailed, 412, "Precondition failed", false, "A condition of the request did not hold, and nothing was changed.", "Read the current state, decide again, and retry with its ETag."},
	{StaleFence, 412, "Stale fence", false, "A write with a newer fence of this resource has been applied before; nothing was changed.", "Stop working under this lock: another owner has it, or had it after you."},
	{BodyTooLarge, 413, "Body too large", false, "The body is larger than the limit that detail names.", "Send less, or have the limit raised."},
	{URITooLong, 414, "URI too long", false, "The request target is longer than the limit.", "Shorten the key or the query."},
	{UnsupportedType, 415, "Unsupported media type", false, "This route does not take a body of this Content-Type or Content-Encoding.", "Send the type that detail names, without a content encoding."},
	{Unprocessable, 422, "Refused", false, "The request is well-formed, but what it asks cannot be done.", "Read detail and errors, and ask for something else."},
	{CrossSlot, 422, "Keys in different slots", false, "A Redis Cluster cannot change these keys in one atomic step.", "Give the keys a common hash tag, as in orders/{42}/head and orders/{42}/lines, or send a batch that is not atomic."},
	{QueryTooWide, 422, "Query too wide", false, "Answering would read more values than one query may.", "Name a longer prefix."},
	{RateLimited, 429, "Rate limit reached", true, "The calling app or address has used up its rate.", "Wait for Retry-After seconds."},
	{TooManyInFlight, 429, "Too many requests in flight", true, "The calling app has as many requests in flight as it may.", "Wait for an answer before sending the next request."},
	{HeadersTooLarge, 431, "Headers too large", false, "The headers together are larger than the limit.", "Send fewer or shorter headers."},
	{ClientClosed, 499, "Client closed the request", false, "The client went away before the answer; seen in logs and metrics only.", "Nothing."},
	{Internal, 500, "Internal error", false, "The gateway failed in a way that it should not. The log has the details under the request id.", "Report the request id."},
	{NotImplemented, 501, "Not implemented", false, "The contract has this, this version does not yet.", "Do without it, or see the change log of later versions."},
	{Unsupported, 501, "Not supported by this component", false, "The component's driver cannot do this.", "Use a component whose driver can; the documentation has the table."},
	{BadBackend, 502, "Bad answer from a backend", true, "A backend answered something that cannot be right.", "Report it; the log has the details under the request id."},
	{BadUpstream, 502, "Bad answer from the upstream", true, "The upstream could not be reached or did not answer in HTTP.", "Retry if the request may be repeated; check the upstream."},
	{ForeignValue, 502, "Foreign value", false, "The stored value was not written by this gateway, and its encoding is not known.", "Read it through a component with encoding: raw, or overwrite it."},
	{Unavailable, 503, "Backend unavailable", true, "A backend that this request needs is down.", "Retry after Retry-After seconds; see outcome for writes."},
	{Overloaded, 503, "Overloaded", true, "The gateway sheds load.", "Retry after Retry-After seconds with backoff."},
	{ShuttingDown, 503, "Shutting down", true, "This replica is shutting down.", "Retry at once; another replica will answer."},
	{DeadlineExceeded, 504, "Deadline exceeded", true, "The deadline of the request passed before the answer was there; see outcome for writes.", "Allow more time with X-Request-Timeout, or retry if the request may be repeated."},
	{Loop, 508, "Loop detected", false, "The request has passed this gateway before.", "Correct the endpoints of the service: they lead back here."},
}

// Kinds lists what is known of every code, ordered by status.
func Kinds() []Kind { return append([]Kind(nil), kinds[:]...) }

// KindOf says what is known of code; a code outside the set is Internal.
func KindOf(code Code) Kind {
	kind, ok := Lookup(string(code))
	if !ok {
		kind, _ = Lookup(string(Internal))
	}
	return kind
}

// Lookup finds the kind with this name.
func Lookup(name string) (Kind, bool) {
	for i := range kinds {
		if string(kinds[i].Code) == name {
			return kinds[i], true
		}
	}
	return Kind{}, false
}
