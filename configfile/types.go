// Package configfile is the operator's file: typed settings whose field
// comments are the reference, and a strict loader that reports every fault at
// once with its place.
//
// The tags of a field are its rules, and the loader is the only reader of
// them: yaml (the key), default, range (lowest..highest), oneof, form (a check
// of forms.go), names (the form of a map's keys), required, shorthand (a
// single value in place of the block sets this key), empty (off: an empty
// block is as if it were left out) and when (the key or key=value beside which
// an inlined block counts). Keys that the product has planned but this version
// does not act on are listed in later.go.
package configfile

import (
	"net/netip"
	"time"
)

// File is the whole file with defaults filled in and references checked. It
// is read-only after Load and safe for concurrent use. Printing or marshalling
// it in any way shows its masked form.
type File struct {
	// Namespace separates deployments that share backends: it is part of every stored key, consumer group and metric.
	Namespace string `yaml:"namespace" default:"default" form:"name"`
	// Server is how the gateway listens, and what it lets in.
	Server Server `yaml:"server"`
	// Admin guards the admin listener.
	Admin Admin `yaml:"admin"`
	// Log is what is written to the log, as JSON lines.
	Log Log `yaml:"log"`
	// Auth is how callers are proved.
	Auth Auth `yaml:"auth"`
	// Apps are the callers: what proves them and what they may do.
	Apps map[string]App `yaml:"apps" names:"name"`
	// Limits hold over all apps.
	Limits Limits `yaml:"limits"`
	// Connections are the backends, used by name: one client per connection, never one per component. The effective configuration also shows those that components hold inline, as `state.main`.
	Connections map[string]Connection `yaml:"connections" names:"name"`
	// State are the state stores, served under /v1/state/{store}; drivers redis, local.
	State map[string]State `yaml:"state" names:"name"`
	// Lock are the lock stores, served under /v1/lock/{store}; drivers redis, local.
	Lock map[string]Lock `yaml:"lock" names:"name"`
	// Sequence are the number sources, served under /v1/sequence/{store}; drivers redis, local.
	Sequence map[string]Sequence `yaml:"sequence" names:"name"`
	// PubSub are the brokers, served under /v1/publish/{pubsub} and /v1/subscribe/{pubsub}; driver kafka.
	PubSub map[string]PubSub `yaml:"pubsub" names:"name"`
	// Config are the configuration stores, served under /v1/config/{store}; driver apollo.
	Config map[string]Config `yaml:"config" names:"name"`
	// Invoke is how other services are called, under /v1/invoke/{service}.
	Invoke Invoke `yaml:"invoke"`
	// TCPCopy records sampled traffic to files.
	TCPCopy TCPCopy `yaml:"tcpCopy"`

	expanded map[string]bool // paths whose text came from outside the file
}

// Server is the public and the admin listener.
type Server struct {
	// Listen is the address of the public listener; port 0 picks one.
	Listen string `yaml:"listen" default:":8080" form:"listen"`
	// Admin is the address of the admin listener (actuator, metrics); off loopback it needs admin.token.
	Admin string `yaml:"admin" default:"127.0.0.1:9090" form:"listen"`
	// TLS makes the public listener speak HTTPS.
	TLS *ServerTLS `yaml:"tls"`
	// TrustedProxies are the networks whose X-Forwarded-For is believed; none by default.
	TrustedProxies []netip.Prefix `yaml:"trustedProxies"`
	// CORS lets browser pages of other origins in.
	CORS CORS `yaml:"cors"`
	// Limits bound what one request or connection may cost.
	Limits ServerLimits `yaml:"limits"`
	// Timeouts bound how long each part of a request may take.
	Timeouts Timeouts `yaml:"timeouts"`
	// Drain is how the process ends.
	Drain Drain `yaml:"drain"`
}

// ServerTLS is the listener's certificate.
type ServerTLS struct {
	// Cert is the path of the certificate chain, PEM.
	Cert string `yaml:"cert" required:"true"`
	// Key is the path of the private key, PEM.
	Key string `yaml:"key" required:"true"`
}

// CORS is the browser policy.
type CORS struct {
	// Origins are the origins whose pages may call, as `https://app.example`; none by default.
	Origins []string `yaml:"origins" form:"origin"`
}

// ServerLimits are sizes and counts over which a request is refused.
type ServerLimits struct {
	// Body is the largest request body (413); invoke streams up to it.
	Body ByteSize `yaml:"body" default:"4MiB" range:"1KiB..1GiB"`
	// Headers is the largest sum of all request headers (431).
	Headers ByteSize `yaml:"headers" default:"32KiB" range:"4KiB..1MiB"`
	// URI is the longest request target (414).
	URI ByteSize `yaml:"uri" default:"8KiB" range:"1KiB..64KiB"`
	// InFlight is the number of requests at work at a time, streams included; more are 503.
	InFlight int `yaml:"inFlight" default:"4096" range:"1..1000000"`
	// Connections is the number of open client connections; more wait to be accepted.
	Connections int `yaml:"connections" default:"10000" range:"1..1000000"`
}

// Timeouts are the waits of the public listener.
type Timeouts struct {
	// Header is how long the headers of a request may take to arrive.
	Header Duration `yaml:"header" default:"5s" range:"10ms..10m"`
	// BodyIdle is how long a request body may pause (408).
	BodyIdle Duration `yaml:"bodyIdle" default:"15s" range:"10ms..10m"`
	// Idle is how long a kept-alive connection may wait for its next request.
	Idle Duration `yaml:"idle" default:"90s" range:"10ms..1h"`
	// Request is the deadline of a request that names none with X-Request-Timeout.
	Request Duration `yaml:"request" default:"10s" range:"1ms..1h"`
	// MaxRequest is the longest deadline that a request may ask for; it caps `wait` too.
	MaxRequest Duration `yaml:"maxRequest" default:"60s" range:"1ms..1h"`
}

// Drain is the way from SIGTERM to exit 0.
type Drain struct {
	// Delay is how long the gateway still serves after readiness turned 503, so that load balancers notice.
	Delay Duration `yaml:"delay" default:"3s" range:"0s..10m"`
	// Timeout is how long requests under way may take after that.
	Timeout Duration `yaml:"timeout" default:"30s" range:"0s..1h"`
}

// Admin guards the admin listener.
type Admin struct {
	// Token is the bearer token of the admin listener; loopback callers need none when it is empty.
	Token Secret `yaml:"token"`
}

// Log is what is written where.
type Log struct {
	// Level is the lowest level that is written; it can be changed while running.
	Level string `yaml:"level" default:"info" oneof:"debug,info,warn,error"`
	// Access is where the line per request goes.
	Access string `yaml:"access" default:"stdout" oneof:"stdout,off"`
	// Audit is where the lines about denials go.
	Audit string `yaml:"audit" default:"stdout" oneof:"stdout,off"`
}

// Auth is how callers are proved.
type Auth struct {
	// Anonymous is the app that callers without a credential are; empty = they are 401.
	Anonymous string `yaml:"anonymous"`
}

// App is one caller.
type App struct {
	// Keys are the API keys that prove the app, by their SHA-256: `sha256:<64 hex digits>`, or `{ hash, notAfter }`. `ottogate keys new` makes one.
	Keys []AppKey `yaml:"keys"`
	// Allow are the rules of what the app may do, deny by default: `<action> <resource>`; `*` matches within a segment, `**` across.
	Allow []Rule `yaml:"allow"`
	// Limits are the app's own bounds.
	Limits AppLimits `yaml:"limits"`
}

// AppKey is one API key of an app.
type AppKey struct {
	// Hash is the SHA-256 of the key; written alone, it stands for the whole entry.
	Hash KeyHash `yaml:"hash" required:"true" shorthand:"true"`
	// NotAfter is the RFC 3339 time from which the key is no longer valid.
	NotAfter time.Time `yaml:"notAfter"`
}

// AppLimits bound one app.
type AppLimits struct {
	// Requests is the rate of requests, as `2000/s`, `/m` or `/h`; empty = no limit (429).
	Requests Rate `yaml:"requests"`
	// Concurrency is the number of requests at work at a time; 0 = no limit (429).
	Concurrency int `yaml:"concurrency" default:"0" range:"0..1000000"`
	// Body is the largest request body; 0B = only server.limits.body (413).
	Body ByteSize `yaml:"body" default:"0B" range:"0B..1GiB"`
}

// Limits hold over all apps.
type Limits struct {
	// PerAddress is the rate of requests of one client address, counted before authentication; empty = no limit (429).
	PerAddress Rate `yaml:"perAddress"`
	// Store is the redis connection in which replicas count together; empty = each replica counts alone.
	Store string `yaml:"store"`
	// Replicas is the number of gateways: each keeps limit/replicas while the store is away.
	Replicas int `yaml:"replicas" default:"1" range:"1..1000"`
}

// TCPCopy records sampled traffic to files.
type TCPCopy struct {
	// Enabled turns the recording on.
	Enabled bool `yaml:"enabled" default:"false"`
	// Directory is where the files are written; required when enabled.
	Directory string `yaml:"directory"`
	// Sample is the share of matching requests that is recorded.
	Sample Percent `yaml:"sample" default:"10%" range:"0%..100%"`
	// Match chooses the requests.
	Match TCPCopyMatch `yaml:"match"`
	// Guard bounds what the recording may cost.
	Guard TCPCopyGuard `yaml:"guard"`
	// Redact says what is blanked before anything is written.
	Redact TCPCopyRedact `yaml:"redact"`
}

// TCPCopyMatch chooses requests; both lists must match.
type TCPCopyMatch struct {
	// Apps are names of apps; `*` = all.
	Apps []string `yaml:"apps" default:"*"`
	// Routes are patterns of paths; `*` matches within a segment, `**` across.
	Routes []string `yaml:"routes" default:"/v1/invoke/**" form:"route"`
}

// TCPCopyGuard bounds the recording.
type TCPCopyGuard struct {
	// Disk is the most that the folder may hold; the oldest files go first.
	Disk ByteSize `yaml:"disk" default:"1GiB" range:"1MiB..1TiB"`
}

// TCPCopyRedact says what is blanked.
type TCPCopyRedact struct {
	// Headers are names of headers whose values are replaced; credentials always are.
	Headers []string `yaml:"headers" default:"authorization,cookie,x-api-key" form:"header"`
}
