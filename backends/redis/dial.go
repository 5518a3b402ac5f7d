package redis

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// dialer opens the sockets that go-redis asks for.
type dialer struct {
	plain net.Dialer
	tls   *tls.Config
	track func(net.Conn) // told of every socket; nil = nobody
}

func newDialer(config *tls.Config, track func(net.Conn)) *dialer {
	alive := net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}
	return &dialer{plain: net.Dialer{Timeout: dialTimeout, KeepAliveConfig: alive}, tls: config, track: track}
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.tls == nil {
		return d.plain.DialContext(ctx, network, addr)
	}
	secure := tls.Dialer{NetDialer: &d.plain, Config: d.tls}
	return secure.DialContext(ctx, network, addr)
}

// dialLate gives a failure to dial as a connection that fails at its first
// write. go-redis' pool counts failed dials, and after some it refuses to dial
// for a second at a time, longer than a healed Redis may stay unnoticed here;
// connections that fail it does not count. The breaker of this package has
// that duty.
func (d *dialer) dialLate(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, addr)
	if err != nil {
		return stillborn{&dialError{err}}, nil //nolint:nilerr // the error comes with the first write
	}
	if d.track != nil {
		d.track(conn)
	}
	return conn, nil
}

// dialError marks a failure after which nothing can have been sent.
type dialError struct{ cause error }

// Error is the cause's text.
func (e *dialError) Error() string { return "dial: " + e.cause.Error() }

// Unwrap is the cause.
func (e *dialError) Unwrap() error { return e.cause }

// stillborn is a connection that was never made.
type stillborn struct{ err *dialError }

// Read fails with the failure to dial.
func (s stillborn) Read([]byte) (int, error) { return 0, s.fail() }

// Write fails with the failure to dial.
func (s stillborn) Write([]byte) (int, error) { return 0, s.fail() }

// fail wraps once more than needed: go-redis takes one layer off.
func (s stillborn) fail() error { return fmt.Errorf("connect: %w", s.err) }

// Close has nothing to close.
func (s stillborn) Close() error { return nil }

// LocalAddr is nobody's address.
func (s stillborn) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is nobody's address.
func (s stillborn) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// SetDeadline does nothing.
func (s stillborn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (s stillborn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (s stillborn) SetWriteDeadline(time.Time) error { return nil }
