package local

import (
	"math"
	"strconv"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// wholeNumber reads exactly what strconv.AppendInt writes.
func wholeNumber(digits []byte) (int64, error) {
	const longest = len("-9223372036854775808")
	if len(digits) <= longest {
		number, err := strconv.ParseInt(string(digits), 10, 64)
		if err == nil && strconv.FormatInt(number, 10) == string(digits) {
			return number, nil
		}
	}
	return 0, problem.New(problem.Unprocessable, "the stored value is not a 64-bit integer")
}

// addWithin takes one step, if the result is within the range of an int64 and
// within the step's own bounds.
func addWithin(number int64, step backends.Increment) (int64, error) {
	if step.By > 0 && number > math.MaxInt64-step.By || step.By < 0 && number < math.MinInt64-step.By {
		return 0, problem.New(problem.Unprocessable, "the result would not be a 64-bit integer")
	}
	sum := number + step.By
	if step.Min != nil && sum < *step.Min {
		return 0, problem.New(problem.Unprocessable, "the result would be less than %d", *step.Min)
	}
	if step.Max != nil && sum > *step.Max {
		return 0, problem.New(problem.Unprocessable, "the result would be more than %d", *step.Max)
	}
	return sum, nil
}
