package conformance

import (
	"maps"
	"math/big"
	"regexp"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// modelState is what a store is held against: a map of values and one of the
// newest fences. It is written to be plainly right, not to be fast.
type modelState struct {
	held   map[string]modelValue
	fences map[string]uint64
}

type modelValue struct {
	data, contentType, etag string
	expires                 bool
}

func (s modelState) clone() modelState {
	return modelState{maps.Clone(s.held), maps.Clone(s.fences)}
}

// judge is the code that an operation has to end with.
func (s modelState) judge(o backends.Operation) problem.Code {
	held, exists := s.held[o.Key]
	if o.Kind == backends.OperationGet {
		if !exists {
			return problem.NoSuchKey
		}
		return ""
	}
	if fence := o.Options.Fence; fence != nil && fence.Token < s.fences[fence.Resource] {
		return problem.StaleFence
	}
	if !o.Options.Holds(exists, held.etag) {
		return problem.PreconditionFailed
	}
	if _, possible := s.sum(o); o.Kind == backends.OperationIncrement && !possible {
		return problem.Unprocessable
	}
	return ""
}

// apply makes an operation that judge let pass.
func (s modelState) apply(o backends.Operation, etag string) {
	held, exists := s.held[o.Key]
	switch o.Kind {
	case backends.OperationGet:
		return
	case backends.OperationPut:
		expires := o.Options.TTL > time.Duration(0)
		if o.Options.KeepTTL {
			expires = exists && held.expires
		}
		s.held[o.Key] = modelValue{string(o.Value.Data), o.Value.ContentType, etag, expires}
	case backends.OperationDelete:
		delete(s.held, o.Key)
	case backends.OperationIncrement:
		if !exists {
			held.contentType = "application/json"
		}
		sum, _ := s.sum(o)
		s.held[o.Key] = modelValue{sum.String(), held.contentType, etag, held.expires}
	}
	if fence := o.Options.Fence; fence != nil {
		s.fences[fence.Resource] = fence.Token
	}
}

var digits = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// sum is what an increment ends with, in numbers without limits.
func (s modelState) sum(o backends.Operation) (sum *big.Int, possible bool) {
	before := new(big.Int)
	if held, exists := s.held[o.Key]; exists {
		if !digits.MatchString(held.data) {
			return nil, false
		}
		before.SetString(held.data, 10)
	}
	if !before.IsInt64() {
		return nil, false
	}
	sum = before.Add(before, big.NewInt(o.Increment.By))
	low, high := o.Increment.Min, o.Increment.Max
	possible = sum.IsInt64() && (low == nil || sum.Int64() >= *low) && (high == nil || sum.Int64() <= *high)
	return sum, possible
}
