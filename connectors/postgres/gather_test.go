package postgres

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// While it gathers, a connection brings every byte, the last few too, and hears
// when its reader is to stop.
func TestGatherBringsAllAndStops(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			address := "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "s")
			}
			here, there := connected(t, network, address)
			const much = 2 << 20
			last := make(chan struct{})
			wrote := make(chan error, 1)
			go func() {
				piece := make([]byte, 8<<10)
				for n := 0; n < much; n += len(piece) {
					for i := range piece {
						piece[i] = byte((n + i) % 251)
					}
					if _, err := there.Write(piece); err != nil {
						wrote <- err
						return
					}
				}
				<-last
				_, err := there.Write([]byte("end"))
				wrote <- err
			}()
			g := newGatherer(here)
			g.gather(true)
			got := make([]byte, much)
			_, err := io.ReadFull(g, got)
			must(t, err)
			for i, b := range got {
				if b != byte(i%251) {
					t.Fatalf("byte %d is wrong", i)
				}
			}
			close(last)
			must(t, <-wrote)
			end := make([]byte, 3)
			if _, err := io.ReadFull(g, end); err != nil || string(end) != "end" {
				t.Fatalf("%q, %v", end, err)
			}
			go func() { _ = g.SetDeadline(time.Unix(1, 0)) }()
			if n, err := g.Read(got); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%d bytes, %v", n, err)
			}
			must(t, g.SetDeadline(time.Time{}))
			g.gather(false)
			must(t, there.Close())
			if n, err := g.Read(got); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}

// connected returns both ends of a connection.
func connected(t *testing.T, network, address string) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	must(t, err)
	defer func() { _ = l.Close() }()
	here, err = net.Dial(network, l.Addr().String())
	must(t, err)
	there, err = l.Accept()
	must(t, err)
	t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	return here, there
}
