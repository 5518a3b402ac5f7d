package configfile

// Connection is one backend. Exactly the block of its driver is set.
type Connection struct {
	// Driver says what the backend is.
	Driver Driver `oneof:"redis,local,kafka,apollo" required:"true" yaml:"driver"`
	// Required makes readiness depend on this backend.
	Required bool `default:"false" yaml:"required"`

	Redis  *Redis  `when:"driver=redis"  yaml:",inline"`
	Local  *Local  `when:"driver=local"  yaml:",inline"`
	Kafka  *Kafka  `when:"driver=kafka"  yaml:",inline"`
	Apollo *Apollo `when:"driver=apollo" yaml:",inline"`
}

// Driver names a kind of backend.
type Driver string

// The drivers.
const (
	DriverRedis  Driver = "redis"
	DriverLocal  Driver = "local"
	DriverKafka  Driver = "kafka"
	DriverApollo Driver = "apollo"
)

// Redis is a Redis server, a Sentinel group or a Cluster.
type Redis struct {
	// Addresses are `host:port` of the server, of the sentinels, or of some nodes of the cluster.
	Addresses []string `form:"hostport" required:"true" yaml:"addresses"`
	// Mode says what the addresses are.
	Mode RedisMode `default:"standalone" oneof:"standalone,sentinel,cluster" yaml:"mode"`
	// MasterName is the name by which the sentinels know the master; mode sentinel only.
	MasterName string `yaml:"masterName"`
	// Username is the ACL user; empty = the default one.
	Username string `yaml:"username"`
	// Password is the password.
	Password Secret `yaml:"password"`
	// TLS makes the connection encrypted; the server's certificate is always verified.
	TLS *ClientTLS `empty:"off" yaml:"tls"`
	// PoolSize is the number of pooled connections per server.
	PoolSize int `default:"8" range:"1..1000" yaml:"poolSize"`
}

// RedisMode is a topology of Redis.
type RedisMode string

// The modes.
const (
	RedisStandalone RedisMode = "standalone"
	RedisSentinel   RedisMode = "sentinel"
	RedisCluster    RedisMode = "cluster"
)

// Local is the embedded store: one file, one process.
type Local struct {
	// Path is the database file; its folder is made if absent.
	Path string `required:"true" yaml:"path"`
}

// Kafka is a Kafka cluster.
type Kafka struct {
	// Brokers are `host:port` of some brokers.
	Brokers []string `form:"hostport" required:"true" yaml:"brokers"`
	// SASL is how the gateway proves itself.
	SASL *SASL `empty:"off" yaml:"sasl"`
	// TLS makes the connection encrypted; the brokers' certificates are always verified.
	TLS *ClientTLS `empty:"off" yaml:"tls"`
}

// SASL is a user of a broker.
type SASL struct {
	// Mechanism is the way of proof; `plain` sends the password itself and should have tls beside it.
	Mechanism Mechanism `oneof:"plain,scram-sha-256,scram-sha-512" required:"true" yaml:"mechanism"`
	// Username is the user.
	Username string `required:"true" yaml:"username"`
	// Password is the user's password.
	Password Secret `required:"true" yaml:"password"`
}

// Mechanism is a SASL mechanism.
type Mechanism string

// The mechanisms.
const (
	SASLPlain       Mechanism = "plain"
	SASLScramSHA256 Mechanism = "scram-sha-256"
	SASLScramSHA512 Mechanism = "scram-sha-512"
)

// Apollo is an Apollo config service.
type Apollo struct {
	// ConfigService is the URL of the config service; several are separated by commas.
	ConfigService string `form:"urls" required:"true" yaml:"configService"`
	// Cluster is the Apollo cluster that is read when a request names none.
	Cluster string `default:"default" yaml:"cluster"`
	// TLS is how https is verified; empty = by the system's roots.
	TLS *ClientTLS `yaml:"tls"`
}

// ClientTLS is the client's side of an encrypted connection. An empty block is
// as if it were left out. After Load it is nil or enabled.
type ClientTLS struct {
	// Enabled turns encryption on. It is on whenever the block holds anything; `{ enabled: true }` alone trusts the system's roots.
	Enabled bool `default:"true" yaml:"enabled"`
	// CA is the path of the PEM file with the certificates to trust; empty = the system's roots.
	CA string `yaml:"ca"`
	// Cert is the path of the client certificate, PEM; it needs key.
	Cert string `yaml:"cert"`
	// Key is the path of the client's private key, PEM.
	Key string `yaml:"key"`
	// ServerName is the name that the certificate must have; empty = the host of the address.
	ServerName string `yaml:"serverName"`
}
