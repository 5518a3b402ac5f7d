package backends

import (
	"context"
	"time"
)

// ConfigStore reads groups of configuration items. Reads come from memory:
// only the first read of a group waits for the backend, once for all callers.
type ConfigStore interface {
	// Group gives the present content of a group. A group that the backend
	// does not have is problem.NoSuchGroup. When the backend is away the last
	// known content is given with Stale set, or problem.Unavailable if there
	// is none.
	Group(ctx context.Context, ref GroupRef) (ConfigReading, error)

	// Changed waits until the group's version is another one than version
	// and gives the newest content; versions in between are folded. It
	// returns ctx's error when nothing has changed until ctx ends, and
	// problem.NoSuchGroup when the group is gone or was never there.
	Changed(ctx context.Context, ref GroupRef, version string) (ConfigReading, error)
}

// GroupRef names a group. Empty Label and Cluster mean the default ones.
type GroupRef struct{ App, Group, Label, Cluster string }

// Snapshot is the content of a group at one version. It is immutable: nobody
// may write to Items.
type Snapshot struct {
	Ref     GroupRef
	Version string // the backend's release key
	Items   map[string]string
}

// ConfigReading is a snapshot and how much it can be trusted right now.
type ConfigReading struct {
	*Snapshot
	Age   time.Duration // since the backend last confirmed it
	Stale bool          // the backend cannot be reached
}
