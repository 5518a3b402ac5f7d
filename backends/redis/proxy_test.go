package redis

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between a Conn and a real Redis and loses replies on demand.
type proxy struct {
	addr   string
	target string
	lose   atomic.Bool // cut the connection instead of the next reply
	mute   atomic.Bool // keep replies back in silence
	deaf   atomic.Bool // accept connections and close them at once
	forget atomic.Bool // keep back what comes to connections that were muted once

	listener net.Listener
	lock     sync.Mutex
	open     []net.Conn
	pipes    sync.WaitGroup
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: listener.Addr().String(), target: target, listener: listener}
	p.pipes.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.deaf.Load() {
			_ = client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.lock.Lock()
		p.open = append(p.open, client, server)
		p.lock.Unlock()
		p.pipes.Go(func() { _, _ = io.Copy(server, client); _ = server.Close() })
		p.pipes.Go(func() { p.replies(client, server); _ = client.Close(); _ = server.Close() })
	}
}

func (p *proxy) replies(client, server net.Conn) {
	buffer, muted := make([]byte, 64<<10), false
	for {
		n, err := server.Read(buffer)
		if err != nil || p.lose.CompareAndSwap(true, false) {
			return
		}
		if muted = muted || p.mute.Load(); p.mute.Load() || muted && p.forget.Load() {
			continue
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// cut breaks every connection.
func (p *proxy) cut() {
	p.lock.Lock()
	defer p.lock.Unlock()
	for _, conn := range p.open {
		_ = conn.Close()
	}
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.cut()
	p.pipes.Wait()
}
