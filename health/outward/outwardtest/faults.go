// Package outwardtest has what the servers that tickets and notifications are
// tested against share: the ways in which a system on the network fails, and the
// check of a webhook's signature, written from the specification and not from the
// code that signs.
package outwardtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// A Fault is a way in which a request goes wrong.
type Fault uint8

// The faults.
const (
	None          Fault = iota
	Limited             // 429 with Retry-After, and nothing done
	Unavailable         // 503, and nothing done
	AcceptedError       // done, and 502 answered
	AcceptedHang        // done, and no answer until the client goes away
	AcceptedCut         // done, and the connection cut in place of an answer
	AcceptedHalf        // done, and the connection cut in the middle of the answer
	Cut                 // the connection cut, and nothing done
	AnsweredTwice       // done, and the answer sent twice on the connection
	faults
)

// All lists the faults.
func All() []Fault {
	var all []Fault
	for f := Limited; f < faults; f++ {
		all = append(all, f)
	}
	return all
}

func (f Fault) String() string {
	return [...]string{"none", "limited", "unavailable", "accepted, error", "accepted, hang", "accepted, cut", "accepted, half", "cut", "answered twice"}[f]
}

// RetryAfter is what a Limited answer says, in seconds.
const RetryAfter = 7

// A Server is a local server with faults. Its zero Faults lets all requests through.
type Server struct {
	URL string

	mu    sync.Mutex
	next  []Fault
	reads bool // faults hit GET too
	rng   *rand.Rand
	rate  float64
	seen  int
	hangs int
	limit func(w http.ResponseWriter)
}

// Start serves h until the test ends.
func Start(t testing.TB, h http.Handler) *Server {
	s := &Server{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(h, w, r) }))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	s.URL = srv.URL
	return s
}

// LimitedBy sets how the server answers when it is Limited, where it is not 429.
func (s *Server) LimitedBy(answer func(w http.ResponseWriter)) { s.limit = answer }

// Next makes the next requests that write go wrong, one after the other.
func (s *Server) Next(all ...Fault) { s.set(all, false) }

// NextOfAll is Next for requests that read too.
func (s *Server) NextOfAll(all ...Fault) { s.set(all, true) }

func (s *Server) set(all []Fault, reads bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.reads = append([]Fault{}, all...), reads
}

// Chaos makes a share of all requests go wrong, as a seed says; 0 ends it.
func (s *Server) Chaos(seed uint64, share float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rng, s.rate, s.next = rand.New(rand.NewPCG(seed, 1)), share, nil
}

// Seen returns how many requests came.
func (s *Server) Seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// Hanging returns how many requests were done and wait for an answer in vain.
func (s *Server) Hanging() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hangs
}

func (s *Server) hang(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs += by
}

func (s *Server) fault(r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	if s.rate > 0 && s.rng.Float64() < s.rate {
		return Limited + Fault(s.rng.IntN(int(faults-Limited)))
	}
	if len(s.next) == 0 || r.Method == http.MethodGet && !s.reads {
		return None
	}
	f := s.next[0]
	s.next = s.next[1:]
	return f
}

func (s *Server) serve(h http.Handler, w http.ResponseWriter, r *http.Request) {
	f := s.fault(r)
	switch f {
	case None:
		h.ServeHTTP(w, r)
		return
	case Limited:
		swallow(r)
		w.Header().Set("Retry-After", fmt.Sprint(RetryAfter))
		if s.limit != nil {
			s.limit(w)
			return
		}
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case Unavailable:
		swallow(r)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case Cut:
		panic(http.ErrAbortHandler)
	}
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	switch f {
	case AcceptedError:
		w.WriteHeader(http.StatusBadGateway)
	case AcceptedHang:
		s.hang(1)
		<-r.Context().Done()
		s.hang(-1)
	case AcceptedHalf, AnsweredTwice:
		s.raw(w, answer, f)
	}
	if f != AcceptedError {
		panic(http.ErrAbortHandler)
	}
}

// swallow reads a body that nobody wants: who writes one does not see the answer
// before it has been read.
func swallow(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// raw writes an answer to the connection itself, half or twice.
func (s *Server) raw(w http.ResponseWriter, answer *httptest.ResponseRecorder, f Fault) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	var text bytes.Buffer
	result := answer.Result()
	result.ContentLength = int64(answer.Body.Len())
	out := bufio.NewWriter(&text)
	_ = result.Write(out) // to memory
	_ = out.Flush()
	b := text.Bytes()
	if f == AcceptedHalf {
		_, _ = conn.Write(b[:len(b)-answer.Body.Len()/2-1])
		return
	}
	_, _ = conn.Write(b) // who hung up does not want to know
	_, _ = conn.Write(b)
}
