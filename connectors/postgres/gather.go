package postgres

import (
	"crypto/tls"
	"net"
	"syscall"
	"time"
)

// PostgreSQL sends a COPY in pieces of 8 KB. A reader that waits for each of them
// is woken, and the server interrupted, so often that it costs more than the rows
// do. So, while a connection gathers, it lets the server go on for a moment
// whenever it has read all that there was. On one machine its receive buffer is
// small besides: what does not fit waits at the server's end, and comes over in
// large pieces.
const (
	// gatherAfter is how many bytes a COPY brings before its connection gathers:
	// small tables never wait.
	gatherAfter = 256 << 10
	// drained is how little a read brings when there was no more.
	drained = 64 << 10
	// burst is how many bytes are to come between two waits; over a Unix socket, which
	// takes 208 KB with all that the kernel adds and then stops the server, unixBurst.
	burst     = 512 << 10
	unixBurst = 96 << 10
	// localBuffer is the receive buffer for servers on the same machine: as much as
	// Linux allows without more being asked for (net.core.rmem_max).
	localBuffer = 208 << 10
	// shortestNap to localNap, or remoteNap, is how long a wait may be, and so how
	// late the end of a COPY may be seen. Over a network, what the sender may send
	// unseen is less.
	shortestNap = time.Millisecond / 4
	localNap    = 4 * time.Millisecond
	remoteNap   = time.Millisecond
)

// gatherer is a connection that can gather. Gather and Read are for one goroutine.
type gatherer struct {
	net.Conn
	raw     syscall.RawConn // of a socket with a low-water mark; nil: none
	longest time.Duration   // nap
	burst   int
	nap     time.Duration
	on      bool
	empty   bool // the last read brought all there was
	bytes   int  // since the last nap
}

func newGatherer(c net.Conn) *gatherer {
	g := &gatherer{Conn: c, longest: localNap, burst: burst}
	switch t := c.(type) {
	case *net.UnixConn:
		g.burst = unixBurst
	case *net.TCPConn:
		if local(t) {
			_ = t.SetReadBuffer(localBuffer) // best effort: the system's own works too
		} else {
			g.longest = remoteNap
		}
		if lowWaterMarks {
			g.raw, _ = t.SyscallConn()
		}
	}
	return g
}

// local reports whether both ends are on this machine.
func local(c *net.TCPConn) bool {
	here, ok := c.LocalAddr().(*net.TCPAddr)
	there, ok2 := c.RemoteAddr().(*net.TCPAddr)
	return ok && ok2 && here.IP.Equal(there.IP)
}

// gathererOf returns the gatherer below a connection, or nil.
func gathererOf(c net.Conn) *gatherer {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	g, _ := c.(*gatherer)
	return g
}

// gather begins, or ends, gathering.
func (g *gatherer) gather(on bool) {
	if g == nil || g.on == on {
		return
	}
	g.on, g.empty, g.bytes, g.nap = on, false, 0, shortestNap
	if on {
		g.lowWater(localBuffer)
	} else {
		g.lowWater(1)
	}
}

// lowWater sets how many bytes wake a reader, so that nothing stirs while it
// naps.
func (g *gatherer) lowWater(n int) {
	if g.raw != nil {
		_ = g.raw.Control(func(fd uintptr) { setLowWater(fd, n) }) // a closed connection says so when it is read
	}
}

// Read implements net.Conn.
func (g *gatherer) Read(p []byte) (int, error) {
	if !g.on {
		return g.Conn.Read(p)
	}
	if g.empty {
		g.rest()
	}
	n, err := g.take(p)
	g.bytes += n
	g.empty = n < drained && n < len(p)
	return n, err
}

// rest waits for about as long as it takes the server to send a burst.
func (g *gatherer) rest() {
	switch {
	case g.bytes < g.burst:
		g.nap = min(2*g.nap, g.longest)
	case g.bytes > 2*g.burst:
		g.nap = max(g.nap/2, shortestNap)
	}
	g.bytes = 0
	time.Sleep(g.nap) //nolint:forbidigo // nothing happens that could be waited for: that is what it is for
}

// take reads what there is, or waits for whatever comes first.
func (g *gatherer) take(p []byte) (int, error) {
	if g.raw == nil {
		return g.Conn.Read(p)
	}
	n := 0
	err := g.raw.Read(func(fd uintptr) bool {
		n = readNow(fd, p)
		return true
	})
	if n > 0 || err != nil {
		return n, err
	}
	// Nothing yet, or the end, or an error: an ordinary read tells.
	g.lowWater(1)
	defer g.lowWater(localBuffer)
	return g.Conn.Read(p)
}
