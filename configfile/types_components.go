package configfile

// Source is where a component's data live: a named connection, or the fields
// of a connection inline. After Load Connection always names an entry of
// File.Connections, and Inline is nil.
type Source struct {
	// Connection is the name of an entry of connections; in its place the component may hold the fields of a connection itself.
	Connection string      `yaml:"connection"`
	Inline     *Connection `when:"driver"     yaml:",inline"`
}

// State is a state store.
type State struct {
	Source `yaml:",inline"`
	// Keys is whose keys they are: `app` (each app its own), `shared` (all apps of the namespace), `none` (as they are) or `literal:<prefix>`.
	Keys Keys `default:"app" yaml:"keys"`
	// Encoding is how values are stored: `envelope` keeps type and ETag beside the value, `raw` is the bare value as other programs write it (driver redis only).
	Encoding Encoding `default:"envelope" oneof:"envelope,raw" yaml:"encoding"`
	// MaxScan is how many values one query may read; more are 422.
	MaxScan int `default:"10000" range:"1..10000000" yaml:"maxScan"`
	// Strong is what a write with `consistency=strong` waits for; driver redis. The embedded store has one copy, so that all its writes are strong.
	Strong Strong `yaml:"strong"`
}

// Strong is what strong writes wait for.
type Strong struct {
	// Replicas is how many of the server's replicas must have the write.
	Replicas int `default:"1" range:"1..100" yaml:"replicas"`
	// Timeout is how long they have for it; after that the outcome is unknown (503).
	Timeout Duration `default:"1s" range:"1ms..1m" yaml:"timeout"`
}

// Encoding is how a state store writes values.
type Encoding string

// The encodings.
const (
	EncodingEnvelope Encoding = "envelope"
	EncodingRaw      Encoding = "raw"
)

// Lock is a lock store.
type Lock struct {
	Source `yaml:",inline"`
	// Keys is whose resources they are: `app` (each app its own), `shared` (all apps of the namespace), `none` (as they are) or `literal:<prefix>`.
	Keys Keys `default:"app" yaml:"keys"`
}

// Sequence is a source of numbers.
type Sequence struct {
	Source `yaml:",inline"`
	// Keys is whose sequences they are: `app` (each app its own), `shared` (all apps of the namespace), `none` (as they are) or `literal:<prefix>`.
	Keys Keys `default:"app" yaml:"keys"`
}

// PubSub is a broker.
type PubSub struct {
	Source `yaml:",inline"`
	// CreateTopics lets a publish create a topic that the broker does not have, with the broker's default number of partitions.
	CreateTopics bool `yaml:"createTopics" default:"false"`
}

// Config is a configuration store.
type Config struct {
	Source `yaml:",inline"`
	// Apps are the Apollo apps that need a setting of their own, by their AppId.
	Apps map[string]ApolloApp `names:"appid" yaml:"apps"`
	// Snapshots is the folder for the last known good configuration, so that a start without Apollo works; empty = none is kept.
	Snapshots string `yaml:"snapshots"`
}

// ApolloApp is one Apollo app.
type ApolloApp struct {
	// Secret is the access key secret with which requests for this app are signed.
	Secret Secret `yaml:"secret"`
}

// Invoke is how other services are called.
type Invoke struct {
	// Methods are further methods that may pass, beside those of RFC 9110 and PATCH.
	Methods []string `form:"method" yaml:"methods"`
	// Services are the services that can be called, by name.
	Services map[string]Service `names:"name" yaml:"services"`
}

// Service is a service behind the gateway.
type Service struct {
	// Endpoints are the service's instances, as `http://host:port` or `https://host:port`.
	Endpoints []string `form:"endpoint" required:"true" yaml:"endpoints"`
	// Balance is how an endpoint is chosen.
	Balance Balance `default:"p2c" oneof:"p2c,roundRobin" yaml:"balance"`
	// Timeout bounds the time to the headers of the answer; 0s = only the request's own deadline.
	Timeout Duration `default:"0s" range:"0s..1h" yaml:"timeout"`
	// PerTry bounds the same time for one try at one endpoint; 0s = timeout.
	PerTry Duration `default:"0s" range:"0s..1h" yaml:"perTry"`
	// Protocol is how the endpoints are spoken to: HTTP/1.1, HTTP/2 over TLS, or HTTP/2 without TLS.
	Protocol Protocol `default:"http1" oneof:"http1,h2,h2c" yaml:"protocol"`
	// TLS is for https endpoints, whose certificates are always verified.
	TLS *ClientTLS `empty:"off" yaml:"tls"`
}

// Protocol is a way to speak HTTP.
type Protocol string

// The protocols.
const (
	ProtocolHTTP1 Protocol = "http1"
	ProtocolH2    Protocol = "h2"
	ProtocolH2C   Protocol = "h2c"
)

// Balance is a way to choose an endpoint.
type Balance string

// The ways that this version knows.
const (
	BalanceP2C        Balance = "p2c"
	BalanceRoundRobin Balance = "roundRobin"
)
