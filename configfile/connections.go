package configfile

import (
	"maps"
	"slices"
	"strings"
)

// component is what all kinds of components have in common for the checks.
type component struct {
	path    string // `state.main`; also the name of its connection when that is inline
	source  Source
	drivers []Driver // that can do this kind of work
}

// componentsOf lists every component of the file.
func componentsOf(f *File) []component {
	stores := []Driver{DriverRedis, DriverLocal}
	all := make([]component, 0, len(f.State)+len(f.Lock)+len(f.Sequence)+len(f.PubSub)+len(f.Config))
	for name, c := range f.State {
		all = append(all, component{join("state", name), c.Source, stores})
	}
	for name, c := range f.Lock {
		all = append(all, component{join("lock", name), c.Source, stores})
	}
	for name, c := range f.Sequence {
		all = append(all, component{join("sequence", name), c.Source, stores})
	}
	for name, c := range f.PubSub {
		all = append(all, component{join("pubsub", name), c.Source, []Driver{DriverKafka}})
	}
	for name, c := range f.Config {
		all = append(all, component{join("config", name), c.Source, []Driver{DriverApollo}})
	}
	return all
}

// components checks that each has exactly one connection, and a fitting one.
func (c *checker) components() {
	for _, each := range componentsOf(c.file) {
		named, inline := each.source.Connection, each.source.Inline
		switch {
		case named != "" && inline != nil:
			c.faultf(each.path+".connection", "stands beside driver: name a connection or hold its fields, not both")
		case inline != nil:
			c.fits(each.path+".driver", inline.Driver, each.drivers...)
		case named == "":
			c.faultf(each.path, "needs connection, the name of one, or driver with the fields of one")
		case c.exists(each.path+".connection", named, "connection", names(c.file.Connections)):
			c.fits(each.path+".connection", c.file.Connections[named].Driver, each.drivers...)
		}
	}
}

// fits reports a driver that cannot do what is asked; one that is itself wrong
// has its fault already.
func (c *checker) fits(path string, driver Driver, able ...Driver) {
	known := []Driver{DriverRedis, DriverLocal, DriverKafka, DriverApollo}
	if slices.Contains(known, driver) && !slices.Contains(able, driver) {
		words := make([]string, len(able))
		for i := range able {
			words[i] = string(able[i])
		}
		c.faultf(path, "driver %s cannot do this; it takes %s", driver, strings.Join(words, " or "))
	}
}

// encodings refuses raw values where the driver keeps envelopes only.
func (c *checker) encodings() {
	for name, store := range c.file.State {
		driver := c.file.Connections[store.Connection].Driver
		if store.Inline != nil {
			driver = store.Inline.Driver
		}
		if store.Encoding == EncodingRaw && driver == DriverLocal {
			c.faultf(join("state", name)+".encoding", "driver local has no raw encoding; it takes redis")
		}
	}
}

// connections checks every connection, named or inline.
func (c *checker) connections() {
	all := map[string]Connection{}
	for name, connection := range c.file.Connections {
		all[join("connections", name)] = connection
	}
	for _, each := range componentsOf(c.file) {
		if each.source.Inline != nil {
			all[each.path] = *each.source.Inline
		}
	}
	files := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(all)) {
		connection := all[path]
		c.redis(path, connection.Redis)
		c.local(path, connection.Local, files)
		if connection.Kafka != nil {
			c.clientTLS(path+".tls", connection.Kafka.TLS)
		}
	}
}

func (c *checker) redis(path string, redis *Redis) {
	if redis == nil {
		return
	}
	c.clientTLS(path+".tls", redis.TLS)
	switch {
	case redis.Mode == RedisSentinel && redis.MasterName == "":
		c.faultf(path+".masterName", "is missing; mode sentinel needs it")
	case redis.Mode != RedisSentinel && redis.MasterName != "":
		c.faultf(path+".masterName", "only allowed with mode: sentinel")
	case redis.Mode == RedisStandalone && len(redis.Addresses) > 1:
		c.faultf(path+".addresses", "mode standalone takes one address; there are the modes sentinel and cluster")
	}
}

// local refuses two connections on one file: its first user locks it.
func (c *checker) local(path string, local *Local, files map[string]string) {
	if local == nil || local.Path == "" {
		return
	}
	if other, taken := files[local.Path]; taken {
		c.faultf(path+".path", "is the file of %s already; use that connection", other)
		return
	}
	files[local.Path] = path
}

func (c *checker) clientTLS(path string, tls *ClientTLS) {
	if tls != nil && (tls.Cert == "") != (tls.Key == "") {
		c.faultf(path, "needs cert and key together, or neither")
	}
}
