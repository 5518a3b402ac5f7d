package redis

import (
	"bytes"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// encodings are stores of both kinds.
func encodings(t *testing.T) map[string]*State {
	t.Helper()
	conn, stores := open(t, shared.Addr), map[string]*State{}
	for _, encoding := range []Encoding{EncodingEnvelope, EncodingRaw} {
		stores[string(encoding)] = conn.State(StateOptions{Encoding: encoding})
	}
	return stores
}

func TestEveryByteComesBack(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, s := range encodings(t) {
		t.Run(name, func(t *testing.T) {
			for length := range len(all) + 1 {
				key := fresh(t)
				etag := must(s.Put(t.Context(), key, backends.Value{Data: all[:length]}, backends.WriteOptions{}))(t)
				item := must(s.Get(t.Context(), key, backends.ReadOptions{}))(t)
				if !bytes.Equal(item.Data, all[:length]) || item.Data == nil || item.ETag != etag {
					t.Fatalf("put %x as %s, got %x as %s", all[:length], etag, item.Data, item.ETag)
				}
			}
		})
	}
}

func TestContentTypeIsKept(t *testing.T) {
	s := open(t, shared.Addr).State(StateOptions{})
	for _, contentType := range []string{"", "text/plain", "multipart/mixed; boundary=\"{}\""} {
		key := fresh(t)
		must(s.Put(t.Context(), key, backends.Value{Data: []byte("x"), ContentType: contentType}, backends.WriteOptions{}))(t)
		if item := must(s.Get(t.Context(), key, backends.ReadOptions{}))(t); item.ContentType != contentType {
			t.Fatalf("got type %q, want %q", item.ContentType, contentType)
		}
	}
}

func TestAbsentIsNotEmpty(t *testing.T) {
	for name, s := range encodings(t) {
		t.Run(name, func(t *testing.T) {
			_, err := s.Get(t.Context(), fresh(t), backends.ReadOptions{WithTTL: true})
			wantCode(t, err, problem.NoSuchKey)
		})
	}
}

func TestPutAndGetAreOneCommandEach(t *testing.T) {
	for name, s := range encodings(t) {
		t.Run(name, func(t *testing.T) {
			key := fresh(t)
			before := s.conn.Stats().Commands
			must(s.Put(t.Context(), key, backends.Value{}, backends.WriteOptions{TTL: time.Minute}))(t)
			must(s.Get(t.Context(), key, backends.ReadOptions{}))(t)
			if sent := s.conn.Stats().Commands - before; sent != 2 {
				t.Fatalf("sent %d commands", sent)
			}
		})
	}
}

func TestTTLIsSetWithTheValueAndGoesWithTheNext(t *testing.T) {
	for name, s := range encodings(t) {
		t.Run(name, func(t *testing.T) {
			key := fresh(t)
			for _, options := range []backends.WriteOptions{{TTL: time.Minute}, {TTL: time.Minute, Condition: backends.Condition{IfNoneMatch: []string{"x"}}}} {
				must(s.Put(t.Context(), key, backends.Value{}, options))(t)
				item := must(s.Get(t.Context(), key, backends.ReadOptions{WithTTL: true}))(t)
				if item.TTL <= 50*time.Second || item.TTL > time.Minute {
					t.Fatalf("ttl is %s", item.TTL)
				}
				must(s.Put(t.Context(), key, backends.Value{}, backends.WriteOptions{}))(t)
				if item = must(s.Get(t.Context(), key, backends.ReadOptions{WithTTL: true}))(t); item.TTL != 0 {
					t.Fatalf("ttl is %s after a write without", item.TTL)
				}
			}
		})
	}
}

// TestConditionsAgreeWithTheContract tries every kind of condition on present
// and absent keys against Condition.Holds.
func TestConditionsAgreeWithTheContract(t *testing.T) {
	for name, s := range encodings(t) {
		t.Run(name, func(t *testing.T) {
			other := must(s.Put(t.Context(), fresh(t), backends.Value{Data: []byte("other")}, backends.WriteOptions{}))(t)
			for _, present := range []bool{true, false} {
				for mask := range 1 << 6 {
					key, etag := fresh(t), ""
					if present {
						etag = must(s.Put(t.Context(), key, backends.Value{Data: []byte("mine")}, backends.WriteOptions{}))(t)
					}
					condition := conditionOf(mask, etag, other)
					_, err := s.Put(t.Context(), key, backends.Value{Data: []byte("new")}, backends.WriteOptions{Condition: condition})
					checkVerdict(t, err, condition, present, etag)
				}
			}
		})
	}
}

// conditionOf builds a condition out of six choices.
func conditionOf(mask int, etag, other string) backends.Condition {
	c := backends.Condition{IfMatchAny: mask&1 != 0, IfNoneMatchAny: mask&2 != 0}
	for bit, list := range map[int]*[]string{4: &c.IfMatch, 16: &c.IfNoneMatch} {
		if mask&bit != 0 {
			*list = append(*list, other, "no tag at all")
		}
		if mask&(2*bit) != 0 {
			*list = append(*list, etag)
		}
	}
	return c
}

func checkVerdict(t *testing.T, err error, condition backends.Condition, present bool, etag string) {
	t.Helper()
	if condition.Holds(present, etag) {
		if err != nil {
			t.Fatalf("%+v (present %v): %v", condition, present, err)
		}
		return
	}
	wantCode(t, err, problem.PreconditionFailed)
}

func TestConditionalDelete(t *testing.T) {
	for name, s := range encodings(t) {
		t.Run(name, func(t *testing.T) {
			key := fresh(t)
			etag := must(s.Put(t.Context(), key, backends.Value{Data: []byte("1")}, backends.WriteOptions{}))(t)
			newest := must(s.Put(t.Context(), key, backends.Value{Data: []byte("2")}, backends.WriteOptions{}))(t)
			match := func(etag string) backends.WriteOptions {
				return backends.WriteOptions{Condition: backends.Condition{IfMatch: []string{etag}}}
			}
			wantCode(t, s.Delete(t.Context(), key, match(etag)), problem.PreconditionFailed)
			must(s.Get(t.Context(), key, backends.ReadOptions{}))(t)
			if err := s.Delete(t.Context(), key, match(newest)); err != nil {
				t.Fatal(err)
			}
			wantCode(t, s.Delete(t.Context(), key, match(newest)), problem.PreconditionFailed)
			if err := s.Delete(t.Context(), key, backends.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestForeignBytesAreNotGuessed(t *testing.T) {
	conn := open(t, shared.Addr)
	s := conn.State(StateOptions{})
	for _, foreign := range []string{"", "{}", magic, magic + "0123456789abcdef", magic + "0123456789abcdef\x02\x00\x00", magic + "0123456789abcdef\x00\xff\xff"} {
		key := fresh(t)
		if err := conn.Client().Set(t.Context(), key, foreign, 0).Err(); err != nil {
			t.Fatal(err)
		}
		_, err := s.Get(t.Context(), key, backends.ReadOptions{})
		wantCode(t, err, problem.ForeignValue)
	}
}

func TestForeignValueUnderACondition(t *testing.T) {
	conn := open(t, shared.Addr)
	s, key := conn.State(StateOptions{}), fresh(t)
	if err := conn.Client().Set(t.Context(), key, "foreign", 0).Err(); err != nil {
		t.Fatal(err)
	}
	put := func(condition backends.Condition) error {
		_, err := s.Put(t.Context(), key, backends.Value{}, backends.WriteOptions{Condition: condition})
		return err
	}
	wantCode(t, put(backends.Condition{IfMatch: []string{newTag().String()}}), problem.ForeignValue)
	wantCode(t, put(backends.Condition{IfNoneMatch: []string{newTag().String()}}), problem.ForeignValue)
	wantCode(t, put(backends.Condition{IfNoneMatchAny: true}), problem.PreconditionFailed)
	if got := conn.Client().Get(t.Context(), key).Val(); got != "foreign" {
		t.Fatalf("the foreign value is now %q", got)
	}
	if err := put(backends.Condition{}); err != nil {
		t.Fatal(err)
	}
}

func TestOtherTypesAreForeign(t *testing.T) {
	conn := open(t, shared.Addr)
	key := fresh(t)
	if err := conn.Client().HSet(t.Context(), key, "f", "v").Err(); err != nil {
		t.Fatal(err)
	}
	for _, encoding := range []Encoding{EncodingEnvelope, EncodingRaw} {
		s := conn.State(StateOptions{Encoding: encoding})
		_, err := s.Get(t.Context(), key, backends.ReadOptions{})
		wantCode(t, err, problem.ForeignValue)
		err = s.Delete(t.Context(), key, backends.WriteOptions{Condition: backends.Condition{IfMatch: []string{"x"}}})
		wantCode(t, err, problem.ForeignValue)
	}
}

func TestRawReadsAndWritesWhatOthersDo(t *testing.T) {
	conn := open(t, shared.Addr)
	s, key := conn.State(StateOptions{Encoding: EncodingRaw}), fresh(t)
	if err := conn.Client().Set(t.Context(), key, "theirs", 0).Err(); err != nil {
		t.Fatal(err)
	}
	item := must(s.Get(t.Context(), key, backends.ReadOptions{}))(t)
	options := backends.WriteOptions{Condition: backends.Condition{IfMatch: []string{item.ETag}}}
	must(s.Put(t.Context(), key, backends.Value{Data: []byte("ours")}, options))(t)
	if got := conn.Client().Get(t.Context(), key).Val(); got != "ours" {
		t.Fatalf("others read %q", got)
	}
}

func TestScriptsAreSentAgainWhenForgotten(t *testing.T) {
	conn := open(t, shared.Addr)
	s, key := conn.State(StateOptions{}), fresh(t)
	condition := backends.WriteOptions{Condition: backends.Condition{IfNoneMatch: []string{"x"}}}
	for range 3 {
		if err := conn.Client().ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		must(s.Put(t.Context(), key, backends.Value{}, condition))(t)
	}
	before := conn.Stats().Commands
	must(s.Put(t.Context(), key, backends.Value{}, condition))(t)
	if sent := conn.Stats().Commands - before; sent != 1 {
		t.Fatalf("a known script took %d commands", sent)
	}
}
