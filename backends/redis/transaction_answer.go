package redis

import (
	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// results reads what transactScript answered.
func (s *State) results(steps []step, answer any) ([]backends.Result, error) {
	parts, _ := answer.([]any)
	if len(parts) != 1+len(steps) {
		return nil, badAnswer(answer)
	}
	switch parts[0] {
	case "ok":
		return s.applied(steps, parts[1:])
	case "refused":
		return refused(steps, parts[1:])
	}
	return nil, badAnswer(answer)
}

func (s *State) applied(steps []step, parts []any) ([]backends.Result, error) {
	results := make([]backends.Result, len(steps))
	for i, o := range steps {
		text, present := parts[i].(string)
		switch {
		case o.Kind == backends.OperationGet && !present:
			results[i].Err = noSuchKey()
		case o.Kind == backends.OperationGet:
			var err error
			if results[i].Item, err = s.codec.decode([]byte(text)); err != nil {
				return nil, err
			}
		case o.Kind == backends.OperationIncrement:
			results[i].Item = counted(o, text)
		default:
			results[i].ETag = o.etag
		}
	}
	return results, nil
}

// counted is a counter's new state.
func counted(o step, digits string) backends.Item {
	item := backends.Item{Value: backends.Value{Data: []byte(digits)}, ETag: o.etag}
	if item.ETag == "" {
		item.ETag = contentTag(item.Data)
	}
	return item
}

func refused(steps []step, parts []any) ([]backends.Result, error) {
	results := make([]backends.Result, len(steps))
	for i, o := range steps {
		reason, _ := parts[i].(string)
		results[i].Err = reasoned(reason, o.Increment)
	}
	err := firstOf(results)
	if err == nil {
		err = badAnswer(parts)
	}
	return results, err
}

// reasoned is the problem that a reason of transactScript stands for.
func reasoned(reason string, by backends.Increment) error {
	switch reason {
	case "":
		return nil
	case "stale":
		return problem.New(problem.StaleFence, "a write with a newer fence of this resource was applied before")
	case "failed":
		return preconditionFailed()
	case "foreign":
		return problem.Wrap(problem.ForeignValue, errForeign, "%s", details[problem.ForeignValue])
	case "number":
		return problem.New(problem.Unprocessable, "the stored value is not a 64-bit integer")
	case "range":
		return problem.New(problem.Unprocessable, "the result would not be a 64-bit integer")
	case "less":
		return problem.New(problem.Unprocessable, "the result would be less than %s", bound(by.Min))
	case "more":
		return problem.New(problem.Unprocessable, "the result would be more than %s", bound(by.Max))
	}
	return badAnswer(reason)
}
