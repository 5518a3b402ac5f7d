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
	Namespace string `default:"default" form:"name" yaml:"namespace"`
	// Server is how the gateway listens, and what it lets in.
	Server Server `yaml:"server"`
	// Admin guards the admin listener.
	Admin Admin `yaml:"admin"`
	// Log is what is written to the log, as JSON lines.
	Log Log `yaml:"log"`
	// Auth is how callers are proved.
	Auth Auth `yaml:"auth"`
	// Apps are the callers: what proves them and what they may do.
	Apps map[string]App `names:"name" yaml:"apps"`
	// Limits hold over all apps.
	Limits Limits `yaml:"limits"`
	// Connections are the backends, used by name: one client per connection, never one per component. The effective configuration also shows those that components hold inline, as `state.main`.
	Connections map[string]Connection `names:"name" yaml:"connections"`
	// State are the state stores, served under /v1/state/{store}; drivers redis, local.
	State map[string]State `names:"name" yaml:"state"`
	// Lock are the lock stores, served under /v1/lock/{store}; drivers redis, local.
	Lock map[string]Lock `names:"name" yaml:"lock"`
	// Sequence are the number sources, served under /v1/sequence/{store}; drivers redis, local.
	Sequence map[string]Sequence `names:"name" yaml:"sequence"`
	// PubSub are the brokers, served under /v1/publish/{pubsub} and /v1/subscribe/{pubsub}; driver kafka.
	PubSub map[string]PubSub `names:"name" yaml:"pubsub"`
	// Config are the configuration stores, served under /v1/config/{store}; driver apollo.
	Config map[string]Config `names:"name" yaml:"config"`
	// Invoke is how other services are called, under /v1/invoke/{service}.
	Invoke Invoke `yaml:"invoke"`
	// TCPCopy records sampled traffic to files.
	TCPCopy TCPCopy `yaml:"tcpCopy"`

	expanded map[string]bool // paths whose text came from outside the file
}

// Server is the public and the admin listener.
type Server struct {
	// Listen is the address of the public listener; port 0 picks one.
	Listen string `default:":8080" form:"listen" yaml:"listen"`
	// Admin is the address of the admin listener (actuator, metrics); off loopback it needs admin.token.
	Admin string `default:"127.0.0.1:9090" form:"listen" yaml:"admin"`
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
	Cert string `required:"true" yaml:"cert"`
	// Key is the path of the private key, PEM.
	Key string `required:"true" yaml:"key"`
}

// CORS is the browser policy.
type CORS struct {
	// Origins are the origins whose pages may call, as `https://app.example`; none by default.
	Origins []string `form:"origin" yaml:"origins"`
}

// ServerLimits are sizes and counts over which a request is refused.
type ServerLimits struct {
	// Body is the largest request body (413); invoke streams up to it.
	Body ByteSize `default:"4MiB" range:"1KiB..1GiB" yaml:"body"`
	// Headers is the largest sum of all request headers (431).
	Headers ByteSize `default:"32KiB" range:"4KiB..1MiB" yaml:"headers"`
	// URI is the longest request target (414).
	URI ByteSize `default:"8KiB" range:"1KiB..64KiB" yaml:"uri"`
	// InFlight is the number of requests at work at a time, streams included; more are 503.
	InFlight int `default:"4096" range:"1..1000000" yaml:"inFlight"`
	// Connections is the number of open client connections; more wait to be accepted.
	Connections int `default:"10000" range:"1..1000000" yaml:"connections"`
}

// Timeouts are the waits of the public listener.
type Timeouts struct {
	// Header is how long the headers of a request may take to arrive.
	Header Duration `default:"5s" range:"10ms..10m" yaml:"header"`
	// BodyIdle is how long a request body may pause (408), and how long a caller may take for 64 KiB of an answer before the connection is cut.
	BodyIdle Duration `default:"15s" range:"10ms..10m" yaml:"bodyIdle"`
	// Idle is how long a kept-alive connection may wait for its next request.
	Idle Duration `default:"90s" range:"10ms..1h" yaml:"idle"`
	// Request is the deadline of a request that names none with X-Request-Timeout.
	Request Duration `default:"10s" range:"1ms..1h" yaml:"request"`
	// MaxRequest is the longest deadline that a request may ask for; it caps `wait` too.
	MaxRequest Duration `default:"60s" range:"1ms..1h" yaml:"maxRequest"`
}

// Drain is the way from SIGTERM to exit 0.
type Drain struct {
	// Delay is how long the gateway still serves after readiness turned 503, so that load balancers notice.
	Delay Duration `default:"3s" range:"0s..10m" yaml:"delay"`
	// Timeout is how long requests under way may take after that.
	Timeout Duration `default:"30s" range:"0s..1h" yaml:"timeout"`
}

// Admin guards the admin listener.
type Admin struct {
	// Token is the bearer token of the admin listener; loopback callers need none when it is empty.
	Token Secret `yaml:"token"`
}

// Log is what is written where.
type Log struct {
	// Level is the lowest level that is written; it can be changed while running.
	Level string `default:"info" oneof:"debug,info,warn,error" yaml:"level"`
	// Access is where the line per request goes.
	Access string `default:"stdout" oneof:"stdout,off" yaml:"access"`
	// Audit is where the lines about denials go.
	Audit string `default:"stdout" oneof:"stdout,off" yaml:"audit"`
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
	Hash KeyHash `required:"true" shorthand:"true" yaml:"hash"`
	// NotAfter is the RFC 3339 time from which the key is no longer valid.
	NotAfter time.Time `yaml:"notAfter"`
}

// AppLimits bound one app.
type AppLimits struct {
	// Requests is the rate of requests, as `2000/s`, `/m` or `/h`; empty = no limit (429).
	Requests Rate `yaml:"requests"`
	// Concurrency is the number of requests at work at a time; 0 = no limit (429).
	Concurrency int `default:"0" range:"0..1000000" yaml:"concurrency"`
	// Body is the largest request body; 0B = only server.limits.body (413).
	Body ByteSize `default:"0B" range:"0B..1GiB" yaml:"body"`
}

// Limits hold over all apps.
type Limits struct {
	// PerAddress is the rate of requests of one client address, counted before authentication; empty = no limit (429).
	PerAddress Rate `yaml:"perAddress"`
	// Store is the redis connection in which replicas count together; empty = each replica counts alone.
	Store string `yaml:"store"`
	// Replicas is the number of gateways: each keeps limit/replicas while the store is away.
	Replicas int `default:"1" range:"1..1000" yaml:"replicas"`
}

// TCPCopy records sampled traffic to files.
type TCPCopy struct {
	// Enabled turns the recording on.
	Enabled bool `default:"false" yaml:"enabled"`
	// Directory is where the files are written; required when enabled.
	Directory string `yaml:"directory"`
	// Sample is the share of matching requests that is recorded.
	Sample Percent `default:"10%" range:"0%..100%" yaml:"sample"`
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
	Apps []string `default:"*" yaml:"apps"`
	// Routes are patterns of paths; `*` matches within a segment, `**` across.
	Routes []string `default:"/v1/invoke/**" form:"route" yaml:"routes"`
}

// TCPCopyGuard bounds the recording.
type TCPCopyGuard struct {
	// Disk is the most that the folder may hold; the oldest files go first.
	Disk ByteSize `default:"1GiB" range:"1MiB..1TiB" yaml:"disk"`
}

// TCPCopyRedact says what is blanked.
type TCPCopyRedact struct {
	// Headers are names of headers whose values are replaced; credentials always are.
	Headers []string `default:"authorization,cookie,x-api-key" form:"header" yaml:"headers"`
}
