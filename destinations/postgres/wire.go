package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	messageHead = 5       // a message's kind, and its length without the kind
	maxMessage  = 4 << 20 // bytes of rows in a message
	// lastWords is how long a server that takes no more may say why.
	lastWords = time.Second
)

// errCopyEnded ends the reading of a segment whose COPY is over.
var errCopyEnded = errors.New("the copy has ended")

// copyIn runs statements, of which one is a COPY of e's rows, as one message. The
// error of the segment's source comes back as it was, not as the server repeats
// it. When it returns, nobody reads the segment any more. A connection that
// cannot go on is closed.
//
// Rows are written from where they are encoded, without the driver, while a
// goroutine waits for what the server has to say.
func copyIn(ctx context.Context, conn *pgx.Conn, e *encoder, statements string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	reading, end := context.WithCancelCause(e.ctx)
	defer end(nil)
	defer e.release()
	e.ctx = reading
	pg := conn.PgConn()
	cut := context.AfterFunc(ctx, func() { _ = pg.Conn().Close() })
	front := pg.Frontend()
	front.SendQuery(&pgproto3.Query{String: statements})
	if err := front.Flush(); err != nil {
		abandon(pg)
		return err
	}
	answered := make(chan error, 1)
	go func() {
		_, copied, err := answer(pg, func() { end(errCopyEnded) })
		e.copied = copied
		end(errCopyEnded)
		answered <- err
	}()
	sent := e.send(pg.Conn())
	if sent != nil {
		_ = pg.Conn().SetReadDeadline(time.Now().Add(lastWords))
	}
	err := <-answered
	var refused *pgconn.PgError
	if whole := cut(); !whole || sent != nil || err != nil && !errors.As(err, &refused) {
		abandon(pg)
		if !whole && ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	switch ours := errors.Is(e.err, errCopyEnded) || errors.Is(e.err, context.Canceled) && ctx.Err() == nil; {
	case e.err != nil && !ours:
		return e.err
	case err == nil:
		return sent
	}
	return err
}

// answer waits for the server's end of a message. It returns how many statements
// came to their end, how many rows of a COPY the table took, and the first error, and
// calls failed as soon as there is one.
func answer(pg *pgconn.PgConn, failed func()) (done int, copied int64, first error) {
	for {
		m, err := pg.ReceiveMessage(context.Background())
		if err != nil {
			if first != nil {
				return done, copied, first // the server said why before it closed the connection
			}
			return done, copied, err
		}
		switch m := m.(type) {
		case *pgproto3.CommandComplete:
			done++
			if tag := pgconn.NewCommandTag(string(m.CommandTag)); strings.HasPrefix(tag.String(), "COPY ") {
				copied += tag.RowsAffected()
			}
		case *pgproto3.ErrorResponse:
			if first == nil {
				first = pgconn.ErrorResponseToPgError(m)
			}
			failed()
		case *pgproto3.ReadyForQuery:
			return done, copied, first
		}
	}
}

// abandon closes a connection that is in the middle of something. Where the
// driver is reading from it, it cancels what the server is doing.
func abandon(pg *pgconn.PgConn) {
	_ = pg.Conn().Close()
	_ = pg.Close(context.Background()) // finds it closed, and waits for nothing
}

// send writes all of the COPY. Its error is the connection's; that of the
// segment is told to the server and stays in e.err.
func (e *encoder) send(w io.Writer) error {
	for {
		rows, err := e.next()
		switch {
		case errors.Is(err, io.EOF):
			return message(w, 'c', make([]byte, messageHead))
		case err != nil:
			return message(w, 'f', append(append(make([]byte, messageHead), err.Error()...), 0))
		}
		for len(rows) > messageHead {
			n := min(len(rows), messageHead+maxMessage)
			if err := message(w, 'd', rows[:n]); err != nil {
				return err
			}
			rows = rows[n-messageHead:] // the next head takes the place of what was sent
		}
	}
}

// message writes a message whose content follows messageHead bytes of room.
func message(w io.Writer, kind byte, m []byte) error {
	m[0] = kind
	binary.BigEndian.PutUint32(m[1:], uint32(len(m)-1))
	_, err := w.Write(m)
	return err
}
