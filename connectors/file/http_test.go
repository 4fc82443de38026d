package file

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
)

// fileServer serves a text and counts the requests; before decides what comes
// instead, by the number of the request.
func fileServer(t *testing.T, text string, before func(n int64, w http.ResponseWriter, r *http.Request) bool) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := requests.Add(1); before != nil && before(n, w, r) {
			return
		}
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(text)))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	}))
	t.Cleanup(s.Close)
	return s, &requests
}

func TestAddressesAreReadOnceWhileTheyDoNotChange(t *testing.T) {
	t.Parallel()
	text := "id,v\n1,x\n"
	server, _ := fileServer(t, text, func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "Bearer hush" {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	})
	config := fmt.Sprintf(`{"path":%q,"authorization":"Bearer hush"}`, server.URL+"/people.csv?signature=hush")
	s := open(t, config)
	stream := only1(t, s)
	if stream.Name.Name != "people" || strings.Contains(stream.Doc, "hush") {
		t.Errorf("%+v", stream)
	}
	var first, again memory
	if err := read(s, stream, sluice.Incremental, nil, &first); err != nil || first.column("v") != "x" {
		t.Fatal(err, first.rows)
	}
	if err := read(s, stream, sluice.Incremental, first.state, &again); err != nil || len(again.rows) != 0 {
		t.Fatal(err, again.rows)
	}
}

func TestABrokenConnectionGoesOn(t *testing.T) {
	t.Parallel()
	text := manyRows("csv", 60_000)
	server, requests := fileServer(t, text, func(n int64, w http.ResponseWriter, r *http.Request) bool {
		switch n {
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		case 3: // ends in the middle
			w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(text)))
			w.Header().Set("Accept-Ranges", "bytes")
			w.Header().Set("Content-Length", strconv.Itoa(len(text)))
			_, _ = w.Write([]byte(text[:len(text)/2]))
			panic(http.ErrAbortHandler)
		}
		return false
	})
	s := open(t, fmt.Sprintf(`{"path":%q}`, server.URL+"/x.csv"))
	stream := only1(t, s)
	var m memory
	if err := read(s, stream, sluice.FullRefresh, nil, &m); err != nil || len(m.rows) != 60_000 {
		t.Fatal(err, len(m.rows))
	}
	if requests.Load() < 4 {
		t.Error("the connection was not broken")
	}
}

// Where no part can be asked for, the error says what the next attempt begins with.
func TestABrokenConnectionToAServerWithoutParts(t *testing.T) {
	t.Parallel()
	text := manyRows("csv", 60_000)
	server, _ := fileServer(t, text, func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write([]byte(text[:len(text)/2]))
		panic(http.ErrAbortHandler)
	})
	s := open(t, fmt.Sprintf(`{"path":%q}`, server.URL+"/x.csv"))
	e := sluice.AsError(read(s, only1(t, s), sluice.FullRefresh, nil, &memory{}))
	if e.Code != "file_network" || e.Class != sluice.Transient || !strings.Contains(e.Hint, "from its beginning") {
		t.Errorf("%v: %s", e, e.Hint)
	}
}

func TestAnswersOfServersHaveClasses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]sluice.Class{400: sluice.Config, 401: sluice.Auth, 403: sluice.Auth, 404: sluice.Config} {
		server, requests := fileServer(t, "", func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(status)
			return true
		})
		s := open(t, fmt.Sprintf(`{"path":%q}`, server.URL+"/x.csv?token=hush"))
		err := s.Check(context.Background())
		if err == nil || sluice.ClassOf(err) != want || strings.Contains(err.Error(), "hush") || sluice.AsError(err).Hint == "" || requests.Load() != 1 {
			t.Errorf("%d: %v after %d requests", status, err, requests.Load())
		}
	}
	server, _ := fileServer(t, "", func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	s := open(t, fmt.Sprintf(`{"path":%q}`, server.URL+"/x.csv"))
	if e := sluice.AsError(s.Check(context.Background())); e == nil || e.Class != sluice.Throttled || e.RetryAfter != time.Hour {
		t.Errorf("%+v", e)
	}
	s = open(t, `{"path":"http://127.0.0.1:1/x.csv?token=hush"}`)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := s.Check(ctx); err == nil || strings.Contains(err.Error(), "hush") {
		t.Error(err)
	}
}

func TestThePolicyHolds(t *testing.T) {
	t.Parallel()
	server, requests := fileServer(t, "id\n1\n", func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "http://169.254.169.254/secret.csv", http.StatusFound)
		return true
	})
	for _, address := range []string{server.URL + "/a.csv", "http://[::ffff:169.254.169.254]/a.csv"} {
		s := open(t, fmt.Sprintf(`{"path":%q}`, address))
		if err := s.Check(t.Context()); err == nil || sluice.ClassOf(err) != sluice.Config || sluice.AsError(err).Code != "egress_denied" {
			t.Errorf("%s: %v", address, err)
		}
	}
	if requests.Load() != 1 {
		t.Errorf("%d requests", requests.Load())
	}
}

func TestThePolicyHoldsForLocalFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.csv"), []byte("id\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	deny, err := egress.Parse("", nil, []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		policy egress.Policy
		path   string
		denied bool
	}{{egress.Policy{}, dir + "/*.csv", false}, {egress.Policy{}, "/proc/self/environ", true}, {egress.Policy{}, "/proc/*/environ", true}, {deny, dir + "/a.csv", true}, {deny, dir + "/**", true}} {
		s, err := Connector().Open(egress.With(t.Context(), c.policy), json.RawMessage(fmt.Sprintf(`{"path":%q,"name":"x"}`, c.path)))
		if err != nil {
			t.Fatal(err)
		}
		err = s.Check(t.Context())
		if denied := err != nil && sluice.AsError(err).Code == "egress_denied"; denied != c.denied {
			t.Errorf("%s: %v", c.path, err)
		}
	}
}

// A server that cuts the connection in the middle of a file, and then sends a
// part of something else, must not make one file of the two.
func TestThePartsOfAFileAreOfThatFile(t *testing.T) {
	t.Parallel()
	text := manyRows("csv", 60_000)
	etag := `"one"`
	half := strconv.Itoa(len(text) / 2)
	for name, rest := range map[string]func(w http.ResponseWriter){
		"of a file that changed": func(w http.ResponseWriter) {
			w.Header().Set("ETag", `"two"`)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %s-%d/%d", half, len(text)-1, len(text)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write([]byte(text[len(text)/2:]))
		},
		"from the start": func(w http.ResponseWriter) {
			w.Header().Set("ETag", etag)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(text)-1, len(text)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write([]byte(text))
		},
		"none": func(w http.ResponseWriter) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) },
	} {
		server, _ := fileServer(t, text, func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") != "" {
				rest(w)
				return true
			}
			w.Header().Set("ETag", etag)
			w.Header().Set("Accept-Ranges", "bytes")
			w.Header().Set("Content-Length", strconv.Itoa(len(text)))
			_, _ = w.Write([]byte(text[:len(text)/2]))
			panic(http.ErrAbortHandler)
		})
		s := open(t, fmt.Sprintf(`{"path":%q}`, server.URL+"/x.csv"))
		err := read(s, only1(t, s), sluice.FullRefresh, nil, &memory{})
		if err == nil || sluice.ClassOf(err) != sluice.Transient || !strings.Contains(err.Error(), "changed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnswersThatAreNotTheFile(t *testing.T) {
	t.Parallel()
	for code, header := range map[string][2]string{"file_network": {"Location", "http://host%zz/?signature=hush"}, "file_http_encoding": {"Content-Encoding", "br"}} {
		server, requests := fileServer(t, "id\n1\n", func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set(header[0], header[1])
			if header[0] == "Location" {
				w.WriteHeader(http.StatusFound)
			}
			return header[0] == "Location"
		})
		s := open(t, fmt.Sprintf(`{"path":%q}`, server.URL+"/x.csv"))
		e := sluice.AsError(s.Check(t.Context()))
		if e == nil || e.Code != code || e.Class != sluice.Config || strings.Contains(e.Error(), "hush") || requests.Load() != 1 {
			t.Errorf("%s: %v, after %d requests", header, e, requests.Load())
		}
	}
}
