//go:build unix

package upstream

import (
	"errors"
	"syscall"
)

// peek looks for a byte or an end without taking it or waiting for it.
func (c *connection) peek(fd uintptr) bool {
	_, _, err := syscall.Recvfrom(int(fd), c.peeked[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	c.quiet = errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK)
	return true
}
