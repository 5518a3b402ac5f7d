package local

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// cursor walks a bucket in the order of its keys through all layers of a
// reader's tx: the newest layer that knows a key decides.
type cursor struct {
	sources []source // newest first
}

// source is one layer and the place in it: the key it stands at, nil at the end.
type source struct {
	key  []byte
	e    entry
	node *node        // of a table
	list *list        // nil = it is the file
	file *bolt.Cursor // of the file
}

// Cursor is for readers: it does not see what a group adds.
func (s space) Cursor() *cursor {
	sources := []source{{list: &s.tx.young.lists[s.id]}}
	if s.tx.old != nil {
		sources = append(sources, source{list: &s.tx.old.lists[s.id]})
	}
	return &cursor{append(sources, source{file: s.inFile().Cursor()})}
}

// First gives the first key with its value; a nil key is the end.
func (c *cursor) First() (key, value []byte) { return c.Seek(nil) }

// Seek gives the first key that is not before key.
func (c *cursor) Seek(key []byte) (found, value []byte) {
	for i := range c.sources {
		c.sources[i].seek(key)
	}
	return c.present()
}

// Next gives the key after the one that was given last.
func (c *cursor) Next() (key, value []byte) {
	if first := c.first(); first != nil {
		c.pass(first.key)
	}
	return c.present()
}

// present gives what the cursor stands at, after passing what is gone.
func (c *cursor) present() (key, value []byte) {
	for {
		first := c.first()
		if first == nil {
			return nil, nil
		}
		if !first.e.gone {
			return first.key, first.e.value
		}
		c.pass(first.key)
	}
}

// first is the source with the smallest key, the newest of several; nil at the
// end of all.
func (c *cursor) first() *source {
	var first *source
	for i := range c.sources {
		s := &c.sources[i]
		if s.key != nil && (first == nil || bytes.Compare(s.key, first.key) < 0) {
			first = s
		}
	}
	return first
}

// pass moves every source that stands at key.
func (c *cursor) pass(key []byte) {
	for i := range c.sources {
		if s := &c.sources[i]; s.key != nil && bytes.Equal(s.key, key) {
			s.next()
		}
	}
}

func (s *source) seek(key []byte) {
	if s.list != nil {
		s.stand(s.list.seek(key))
		return
	}
	s.key, s.e.value = s.file.Seek(key)
}

func (s *source) next() {
	if s.list != nil {
		s.stand(s.node.next[0])
		return
	}
	s.key, s.e.value = s.file.Next()
}

func (s *source) stand(n *node) {
	if s.node = n; n == nil {
		s.key, s.e = nil, entry{}
		return
	}
	s.key, s.e = n.key, n.entry
}
