package conformance

import (
	"fmt"
	"strconv"

	"github.com/anishathalye/porcupine"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// historyCall is one call of one client, as it was made and as it ended.
type historyCall struct {
	Client    int
	Kind      backends.OperationKind
	Key       string
	Condition backends.Condition
	Data      string // of a put
	By        int64  // of an increment

	Call, Return int64 // nanoseconds since the beginning
	Code         problem.Code
	Unknown      bool
	ETag, Result string
}

// cell is what a key is to the checker. Every key is judged on its own.
type cell struct {
	exists     bool
	etag, data string
}

// historyModel says which histories of one key there can be. A write of
// unknown outcome may have been applied at any time after its call, or never.
func historyModel() porcupine.Model {
	model := porcupine.NondeterministicModel{
		Partition: historyByKey,
		Init:      func() []any { return []any{cell{}} },
		Step: func(state, input, _ any) []any {
			before, call := state.(cell), input.(historyCall)
			after, answers := before.after(call)
			switch {
			case call.Unknown && after != before:
				return []any{before, after}
			case call.Unknown || answers:
				return []any{after}
			}
			return nil
		},
		DescribeOperation: func(input, _ any) string { return input.(historyCall).String() },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
	return model.ToModel()
}

// after is what a call makes of the cell, and whether it had to be answered as
// it was.
func (c cell) after(call historyCall) (after cell, answers bool) {
	switch {
	case call.Kind == backends.OperationGet && !c.exists:
		return c, call.Code == problem.NoSuchKey
	case call.Kind == backends.OperationGet:
		return c, call.Code == "" && call.ETag == c.etag && call.Result == c.data
	case !call.Condition.Holds(c.exists, c.etag):
		return c, call.Code == problem.PreconditionFailed
	case call.Kind == backends.OperationDelete:
		return cell{}, call.Code == ""
	case call.Kind == backends.OperationPut:
		return cell{true, call.ETag, call.Data}, call.Code == ""
	}
	number, _ := strconv.ParseInt(c.data, 10, 64) // absent is 0; nothing else is put
	sum := strconv.FormatInt(number+call.By, 10)
	return cell{true, call.ETag, sum}, call.Code == "" && call.Result == sum
}

func historyByKey(history []porcupine.Operation) [][]porcupine.Operation {
	byKey := map[string][]porcupine.Operation{}
	for _, operation := range history {
		key := operation.Input.(historyCall).Key
		byKey[key] = append(byKey[key], operation)
	}
	var parts [][]porcupine.Operation
	for _, part := range byKey {
		parts = append(parts, part)
	}
	return parts
}

func (c historyCall) String() string {
	asked := ""
	if !c.Condition.Unconditional() {
		asked = fmt.Sprintf(" if %+v", c.Condition)
	}
	told := string(c.Code)
	if c.Code == "" {
		told = c.Result + " " + c.ETag
	}
	if c.Unknown {
		told = "unknown " + c.ETag
	}
	return fmt.Sprintf("%s %s%+d%s: %s", c.Kind, c.Data, c.By, asked, told)
}
