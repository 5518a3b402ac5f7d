package configfile

import (
	"maps"
	"strings"
)

// settle brings a checked file into the form that its users see: inline
// connections stand in the table, and TLS that is switched off is not there.
func settle(f *File) {
	moveInlineConnections(f)
	for name, connection := range f.Connections {
		if connection.Redis != nil {
			connection.Redis.TLS = onlyEnabled(connection.Redis.TLS)
		}
		if connection.Kafka != nil {
			connection.Kafka.TLS = onlyEnabled(connection.Kafka.TLS)
		}
		f.Connections[name] = connection
	}
	for name, service := range f.Invoke.Services {
		service.TLS = onlyEnabled(service.TLS)
		f.Invoke.Services[name] = service
	}
}

func onlyEnabled(tls *ClientTLS) *ClientTLS {
	if tls == nil || !tls.Enabled {
		return nil
	}
	return tls
}

// moveInlineConnections gives every inline connection a name in the table,
// that of its component, which no written name can have because of the dot.
func moveInlineConnections(f *File) {
	if f.Connections == nil {
		f.Connections = map[string]Connection{}
	}
	moveExpanded(f)
	moveAll(f, "state", f.State, func(c *State) *Source { return &c.Source })
	moveAll(f, "lock", f.Lock, func(c *Lock) *Source { return &c.Source })
	moveAll(f, "sequence", f.Sequence, func(c *Sequence) *Source { return &c.Source })
	moveAll(f, "pubsub", f.PubSub, func(c *PubSub) *Source { return &c.Source })
	moveAll(f, "config", f.Config, func(c *Config) *Source { return &c.Source })
}

func moveAll[C any](f *File, kind string, table map[string]C, source func(*C) *Source) {
	for name, c := range table {
		if from := source(&c); from.Inline != nil {
			from.Connection = join(kind, name)
			f.Connections[from.Connection] = *from.Inline
			from.Inline = nil
			table[name] = c
		}
	}
}

// moveExpanded lets the mask follow the moved fields.
func moveExpanded(f *File) {
	for _, each := range componentsOf(f) {
		for path := range maps.Clone(f.expanded) {
			if rest, ok := strings.CutPrefix(path, each.path+"."); ok && each.source.Inline != nil {
				f.expanded[join("connections", each.path)+"."+rest] = true
			}
		}
	}
}
