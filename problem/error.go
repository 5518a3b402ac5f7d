// Package problem is the error vocabulary of the product: a closed set of
// codes, the error type that carries one through every floor, and the one
// writer of RFC 9457 problem documents. It uses the standard library only.
package problem

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Error is a failure that a caller may learn about. Code decides the status;
// Detail is written for callers; Err is for the log and never leaves the
// process.
type Error struct {
	Code   Code
	Detail string
	Err    error

	Fields     []Field       // places in the request that are wrong
	RetryAfter time.Duration // when a retry makes sense; 0 = not known
	Unknown    bool          // a write may or may not have been applied
	ETag       string        // with Unknown: the tag that the write would have left
}

// Field names one wrong place of a JSON body by its RFC 6901 pointer.
type Field struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error is the text for the log: code, detail and cause.
func (e *Error) Error() string {
	text := string(e.Code)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error of the given code whose detail is formatted for callers.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Wrap makes an error of the given code around a cause that only the log sees.
func Wrap(code Code, err error, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...), Err: err}
}

// AtPointer makes an InvalidBody error for one place of a JSON body.
func AtPointer(pointer, format string, args ...any) *Error {
	detail := fmt.Sprintf(format, args...)
	return &Error{Code: InvalidBody, Detail: detail, Fields: []Field{{Pointer: pointer, Detail: detail}}}
}

// From finds the Error in err's chain, or classifies err: a passed deadline is
// DeadlineExceeded, a cancelled context ClientClosed, all else Internal.
// From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var known *Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded):
		return Wrap(DeadlineExceeded, err, "the deadline passed")
	case errors.Is(err, context.Canceled):
		return Wrap(ClientClosed, err, "the client went away")
	default:
		return &Error{Code: Internal, Err: err}
	}
}

// CodeOf is From(err).Code; the empty code for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return From(err).Code
}
