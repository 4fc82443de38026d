package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// conn is a connection used by one goroutine at a time.
type conn struct {
	pg       *pgconn.PgConn
	wire     *wire
	gatherer *gatherer
	broken   bool   // a COPY was left in the middle
	prepared string // begins the names of the session's prepared questions; empty: there are none
	ended    bool   // the message of the last COPY ended its transaction, which the driver does not know
}

// closeTimeout bounds how long ending a connection, and what it does on the
// server, may hold up a read that ends.
const closeTimeout = 3 * time.Second

// cancelAgain is after how long without an answer a statement is cancelled once more.
const cancelAgain = 100 * time.Millisecond

// close ends the connection and, where it is in the middle of a statement, the
// statement too.
func (c *conn) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if c.broken {
		c.cancel(ctx)
	}
	_ = c.pg.Close(ctx)
	select {
	case <-c.pg.CleanupDone():
	case <-ctx.Done():
	}
}

// cancel ends the statement that the connection is in the middle of, and the
// connection with it, as far as the server lets it before ctx ends. A request that
// reaches the server before the statement does is forgotten there, and a server
// that writes nothing does not notice that its client is gone: so requests go out
// until the server hangs up.
func (c *conn) cancel(ctx context.Context) {
	tcp := c.pg.Conn()
	defer func() { _ = tcp.Close() }()
	_ = tcp.SetDeadline(time.Now().Add(closeTimeout))
	// The server hangs up once it has read this, after the statement.
	if terminate, err := (&pgproto3.Terminate{}).Encode(nil); err == nil {
		_, _ = tcp.Write(terminate)
	}
	for ctx.Err() == nil && c.pg.CancelRequest(ctx) == nil {
		_ = tcp.SetReadDeadline(time.Now().Add(cancelAgain))
		if _, err := io.Copy(io.Discard, tcp); !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

// exec runs statements as one message and returns their results as text; where one
// fails, those of the statements before it too.
func (c *conn) exec(ctx context.Context, sql string) ([]*pgconn.Result, error) {
	c.ended = false
	return c.pg.Exec(ctx, sql).ReadAll()
}

// copyOut runs a COPY ... TO STDOUT. Bulk gets all messages at hand, heads and
// all, and returns how many bytes it has used up; the bytes of the message after
// them go to data. Neither may keep them. When ctx ends, or one of them fails, the
// statement is left in the middle: the connection is then only good to be closed.
func (c *conn) copyOut(ctx context.Context, sql string, bulk func([]byte) (int, error), data func([]byte) error) error {
	c.broken = true
	stop := context.AfterFunc(ctx, func() { _ = c.pg.Conn().SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := ctx.Err(); err != nil {
		return err
	}
	front := c.pg.Frontend()
	front.SendQuery(&pgproto3.Query{String: sql})
	if err := front.Flush(); err != nil {
		return err
	}
	var failed error
	begin := c.wire.read
	defer c.gatherer.gather(false)
	for {
		if c.wire.read-begin > gatherAfter {
			c.gatherer.gather(true)
		}
		if n, err := bulk(c.wire.buf[c.wire.from:c.wire.to]); err != nil {
			return err
		} else if c.wire.from += n; n > 0 {
			continue
		}
		kind, body, err := c.wire.next()
		if err != nil {
			if failed != nil {
				return failed // the server said why before it closed the connection
			}
			return err
		}
		switch kind {
		case 'd':
			if err := data(body); err != nil {
				return err
			}
		case 'E':
			var e pgproto3.ErrorResponse
			if err := e.Decode(body); err != nil {
				return err
			}
			failed = pgconn.ErrorResponseToPgError(&e)
		case 'Z':
			c.ended = len(body) == 1 && body[0] == 'I'
			c.broken = failed != nil || !stop()
			return failed
		}
	}
}

// wire reads the server's messages through one large buffer. PostgreSQL sends 8
// KB at a time, and a message per row: reading as much as there is, and cutting
// messages out in place, is what makes a row cheap. Outside of a COPY the driver
// reads through it as a plain io.Reader.
type wire struct {
	r        io.Reader
	buf      []byte
	from, to int
	read     int64 // bytes read into buf, ever
}

const (
	wireBuffer = 256 << 10
	moved      = 4 << 10       // fewer bytes than these go to the front of the buffer before more are read
	maxKept    = 2 << 20       // a buffer that a message made larger than this shrinks again
	maxMessage = 1<<30 + 1<<20 // rows are smaller than 1 GiB
)

// Read serves the driver.
func (w *wire) Read(p []byte) (int, error) {
	if w.from == w.to {
		return w.r.Read(p)
	}
	n := copy(p, w.buf[w.from:w.to])
	w.from += n
	return n, nil
}

// next returns the next message, valid until the next call.
func (w *wire) next() (kind byte, body []byte, err error) {
	if err := w.need(5); err != nil {
		return 0, nil, err
	}
	size := int(binary.BigEndian.Uint32(w.buf[w.from+1:]))
	if size < 4 || size > maxMessage {
		return 0, nil, fmt.Errorf("a message of %d bytes", size)
	}
	if err := w.need(1 + size); err != nil {
		return 0, nil, err
	}
	kind, body = w.buf[w.from], w.buf[w.from+5:w.from+1+size]
	w.from += 1 + size
	return kind, body, nil
}

// need reads until n bytes are in the buffer, which grows for a message larger
// than it, and shrinks again after.
func (w *wire) need(n int) error {
	if w.to-w.from >= n {
		return nil
	}
	if n > len(w.buf) || len(w.buf) > maxKept && n <= wireBuffer {
		grown := make([]byte, max(n, wireBuffer))
		w.to = copy(grown, w.buf[w.from:w.to])
		w.buf, w.from = grown, 0
	}
	if w.from+n > len(w.buf) || w.to-w.from < moved {
		w.to, w.from = copy(w.buf, w.buf[w.from:w.to]), 0
	}
	got, err := io.ReadAtLeast(w.r, w.buf[w.to:], n-(w.to-w.from))
	w.to += got
	w.read += int64(got)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
