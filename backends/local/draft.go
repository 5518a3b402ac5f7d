package local

import (
	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// draft is what one change is about to do to the state. Operations are judged
// against it, so that each sees what those before it did, and nothing is
// written before all of them have been allowed.
type draft struct {
	db      *DB
	tx      *bolt.Tx
	present micros
	values  map[string]*drafted
	fences  map[string]uint64
}

// drafted is a key as it shall become.
type drafted struct {
	record  record
	encoded []byte // nil = removed
}

func newDraft(db *DB, tx *bolt.Tx) *draft {
	return &draft{db: db, tx: tx, present: now(), values: map[string]*drafted{}}
}

// current reads a key as the operations before left it.
func (d *draft) current(key string) (r record, exists bool, err error) {
	if v, changed := d.values[key]; changed {
		return v.record, v.encoded != nil && !v.record.expired(d.present), nil
	}
	return current(d.tx, key, d.present)
}

// allow refuses a write whose fence is stale or whose condition does not hold.
func (d *draft) allow(key string, options backends.WriteOptions) error {
	if err := d.allowFence(options.Fence); err != nil {
		return err
	}
	return d.allowCondition(key, options.Condition)
}

// allowCondition: a damaged value exists but has no tag, so that only a
// condition that names one cannot be judged.
func (d *draft) allowCondition(key string, condition backends.Condition) error {
	if condition.Unconditional() {
		return nil
	}
	r, exists, err := d.current(key)
	if problem.CodeOf(err) == problem.ForeignValue && len(condition.IfMatch)+len(condition.IfNoneMatch) == 0 {
		exists, err = true, nil
	}
	if err != nil {
		return err
	}
	if !condition.Holds(exists, r.etag()) {
		return problem.New(problem.PreconditionFailed, "the key is not in the state that the condition asks for")
	}
	return nil
}

func (d *draft) allowFence(fence *backends.Fence) error {
	if fence == nil {
		return nil
	}
	seen, drafted := d.fences[fence.Resource]
	if !drafted {
		var err error
		if seen, err = readFence(d.tx, fence.Resource); err != nil {
			return err
		}
	}
	if fence.Token < seen {
		return problem.New(problem.StaleFence, "a write with a newer fence of this resource was applied before")
	}
	return nil
}

// put drafts a value, and the fence that it was written under.
func (d *draft) put(key string, r record, encoded []byte, fence *backends.Fence) {
	d.values[key] = &drafted{r, encoded}
	d.remember(fence)
}

func (d *draft) remove(key string, fence *backends.Fence) {
	d.values[key] = &drafted{}
	d.remember(fence)
}

func (d *draft) remember(fence *backends.Fence) {
	if fence == nil {
		return
	}
	if d.fences == nil {
		d.fences = map[string]uint64{}
	}
	d.fences[fence.Resource] = fence.Token
}

// write brings all of it into the transaction. When that is on disk, watchers
// hear of it.
func (d *draft) write() error {
	for key, v := range d.values {
		if err := d.writeValue(key, v); err != nil {
			return err
		}
	}
	for resource, token := range d.fences {
		if err := writeFence(d.tx, resource, token); err != nil {
			return err
		}
	}
	d.tx.OnCommit(func() {
		for key := range d.values {
			d.db.watches.tell(key)
		}
	})
	return nil
}

func (d *draft) writeValue(key string, v *drafted) error {
	if v.encoded == nil {
		return remove(d.tx, key)
	}
	return replace(d.tx, key, v.record.expires, v.encoded)
}
