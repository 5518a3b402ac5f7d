package local

import (
	"strconv"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// operation is one part of a change, with everything done that needs no
// transaction. It shares no memory with the caller.
type operation struct {
	backends.Operation
	record  record // of a put; of an increment its tag
	encoded []byte // of a put
}

// prepare refuses what cannot be stored. A TTL counts from here, not from the
// commit.
func prepare(o backends.Operation) (operation, error) {
	if o.Options.Fence != nil {
		if err := storable(o.Options.Fence.Resource); err != nil {
			return operation{}, err
		}
	}
	switch o.Kind {
	case backends.OperationGet, backends.OperationDelete:
		return operation{Operation: o}, nil
	case backends.OperationPut, backends.OperationIncrement:
		return prepareValue(o)
	default:
		return operation{}, problem.New(problem.InvalidParameter, "there is no such operation")
	}
}

func prepareValue(o backends.Operation) (operation, error) {
	if err := storable(o.Key); err != nil {
		return operation{}, err
	}
	if o.Options.KeepTTL {
		o.Options.TTL = 0
	}
	r, err := newRecord(o.Value, o.Options.TTL)
	if err != nil {
		return operation{}, err
	}
	encoded := r.encode(o.Key)
	r.data = encoded[len(encoded)-len(r.data):]
	o.Value = backends.Value{}
	return operation{o, r, encoded}, nil
}

// apply judges the operation against the draft and adds it. It changes nothing
// of its own and can run again.
func (o operation) apply(d *draft) (backends.Result, error) {
	if o.Kind == backends.OperationGet {
		return o.get(d)
	}
	if err := d.allow(o.Key, o.Options); err != nil {
		return backends.Result{}, err
	}
	switch o.Kind {
	case backends.OperationPut:
		return o.put(d)
	case backends.OperationIncrement:
		return o.increment(d)
	default:
		d.remove(o.Key, o.Options.Fence)
		return backends.Result{}, nil
	}
}

func (o operation) get(d *draft) (backends.Result, error) {
	r, exists, err := d.current(o.Key)
	if err != nil {
		return backends.Result{}, err
	}
	if !exists {
		return backends.Result{Err: errNoKey()}, nil
	}
	return backends.Result{Item: r.item(d.present, false)}, nil
}

func (o operation) put(d *draft) (backends.Result, error) {
	r, encoded := o.record, o.encoded
	if o.Options.KeepTTL {
		before, exists, err := d.current(o.Key)
		if err != nil {
			return backends.Result{}, err
		}
		if exists && before.expires != never {
			r.expires = before.expires
			encoded = r.encode(o.Key)
		}
	}
	d.put(o.Key, r, encoded, o.Options.Fence)
	return o.tagged(), nil
}

func (o operation) increment(d *draft) (backends.Result, error) {
	before, exists, err := d.current(o.Key)
	if err != nil {
		return backends.Result{}, err
	}
	number, r := int64(0), record{tag: o.record.tag, contentType: "application/json"}
	if exists {
		if number, err = wholeNumber(before.data); err != nil {
			return backends.Result{}, err
		}
		r.expires, r.contentType = before.expires, before.contentType
	}
	if number, err = addWithin(number, o.Increment); err != nil {
		return backends.Result{}, err
	}
	r.data = strconv.AppendInt(nil, number, 10)
	d.put(o.Key, r, r.encode(o.Key), o.Options.Fence)
	result := o.tagged()
	result.Data = r.data
	return result, nil
}

// tagged is the result that tells the tag of what was written.
func (o operation) tagged() backends.Result {
	if o.Kind != backends.OperationPut && o.Kind != backends.OperationIncrement {
		return backends.Result{}
	}
	return backends.Result{Item: backends.Item{ETag: o.record.etag()}}
}
