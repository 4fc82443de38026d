package roundtrip_test

import (
	bigendian "encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// A proxy stands between a connector and PostgreSQL and counts the rows that
// COPY sends: the truth about what is read, whoever is killed.
type proxy struct {
	url  string
	rows atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// newProxy returns a proxy for the server of the URL; it ends with the test.
func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{conns: map[net.Conn]bool{}}
	to := u.Host
	u.Host = l.Addr().String()
	p.url = u.String()
	var work sync.WaitGroup
	work.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { p.serve(client, to) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut()
		work.Wait()
	})
	return p
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) keep(c net.Conn, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on {
		p.conns[c] = true
	} else {
		delete(p.conns, c)
	}
}

func (p *proxy) serve(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	for _, c := range []net.Conn{client, server} {
		p.keep(c, true)
		defer p.keep(c, false)
	}
	go func() {
		io.Copy(server, client)
		server.Close() // the client is gone
	}()
	f := frames{rows: &p.rows}
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		f.count(buf[:n])
		if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// frames counts CopyData messages: COPY TO sends one for each row, one for the
// header and one for the end.
type frames struct {
	rows *atomic.Int64
	head []byte // of a message that began in an earlier read
	skip int    // bytes of the message under way
}

func (f *frames) count(b []byte) {
	for len(b) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(b))
			f.skip -= n
			b = b[n:]
			continue
		}
		f.head = append(f.head, b[0])
		b = b[1:]
		if len(f.head) == 5 {
			if f.head[0] == 'd' {
				f.rows.Add(1)
			}
			f.skip = int(bigendian.BigEndian.Uint32(f.head[1:])) - 4
			f.head = f.head[:0]
		}
	}
}
