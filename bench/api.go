package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const pageSize = 1000

// A page is where an answer of the API stands in the file of pages.
type page struct{ offset, size int64 }

const (
	pagesFile  = "events.pages"
	eventsFile = "events.jsonl"
)

// recordAPI walks the events of `sluice sample-api` once, and keeps the answers
// as they will be played back, and the same records as JSON Lines.
func (e *env) recordAPI(ctx context.Context) error {
	return e.once("events", func() error {
		base, stop, err := e.sampleAPI(ctx)
		if err != nil {
			return err
		}
		defer stop()
		return e.file(eventsFile, func(lines io.Writer) error {
			return e.file(pagesFile, func(pages io.Writer) error { return e.record(ctx, base, lines, pages) })
		})
	})
}

func (e *env) record(ctx context.Context, base string, lines, pages io.Writer) error {
	left, cursor, offset := e.n(eventRows), "", int64(0)
	for left > 0 {
		records, next, err := fetchPage(ctx, base, cursor, min(left, pageSize))
		if err != nil {
			return err
		}
		// The sample API writes a record a line; nothing inside of one breaks it.
		left -= int64(bytes.Count(records, []byte("\n")) + 1)
		cursor = next
		tail := "],\"has_more\":false,\"next_cursor\":null}\n"
		if left > 0 {
			if cursor == "" {
				return fmt.Errorf("the sample API ran out of events, %d too early", left)
			}
			tail = fmt.Sprintf("],\"has_more\":true,\"next_cursor\":\"%d\"}\n", len(e.pages)+1)
		}
		n, err := pages.Write(append(append([]byte(`{"data":[`), records...), tail...))
		if err != nil {
			return err
		}
		e.pages = append(e.pages, page{offset, int64(n)})
		offset += int64(n)
		if _, err := lines.Write(append(bytes.ReplaceAll(records, []byte("},\n{"), []byte("}\n{")), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// fetchPage returns the records of a page, with what is between them, and the
// cursor of the next one.
func fetchPage(ctx context.Context, base, cursor string, limit int64) (records []byte, next string, err error) {
	url := fmt.Sprintf("%s/v1/events?limit=%d", base, limit)
	if cursor != "" {
		url += "&cursor=" + cursor
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Authorization", "Bearer demo")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, "", errors.Join(err, fmt.Errorf("%s: %s", url, resp.Status))
	}
	var answer struct {
		Data []json.RawMessage `json:"data"`
		Next string            `json:"next_cursor"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, "", err
	}
	if len(answer.Data) == 0 {
		return nil, "", errors.New("the sample API has no more events")
	}
	for i, record := range answer.Data {
		if i > 0 {
			records = append(records, ",\n"...)
		}
		records = append(records, record...)
	}
	return records, answer.Next, nil
}

// sampleAPI starts the API on a free port and returns its address.
func (e *env) sampleAPI(ctx context.Context) (base string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, e.binary, "sample-api", "--listen", "127.0.0.1:0", "--events", strconv.FormatInt(e.n(eventRows)+pageSize, 10), "--chaos", "0", "--rate", "-1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it is our signal that ends it
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_, rest, found := strings.Cut(line, "http://")
	if err != nil || !found {
		stop()
		return "", nil, errors.Join(err, fmt.Errorf("the sample API says %q", line))
	}
	address, _, _ := strings.Cut(rest, " ")
	return "http://" + address, stop, nil
}

// serveAPI plays the recorded answers back. The file goes to the socket within
// the kernel, so that the server takes next to nothing of what is measured.
func (e *env) serveAPI(ctx context.Context) (base string, stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "{}") })
	mux.HandleFunc("GET /v1/events", e.playPage)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // until Close
	}()
	return "http://" + l.Addr().String(), func() { _ = server.Close(); <-ended }, nil
}

func (e *env) playPage(w http.ResponseWriter, r *http.Request) {
	n := 0
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		var err error
		if n, err = strconv.Atoi(cursor); err != nil || n < 0 || n >= len(e.pages) {
			http.Error(w, "no such page", http.StatusBadRequest)
			return
		}
	}
	f, err := os.Open(e.path(pagesFile))
	if err == nil {
		defer f.Close()
		_, err = f.Seek(e.pages[n].offset, io.SeekStart)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.FormatInt(e.pages[n].size, 10))
	_, _ = io.CopyN(w, f, e.pages[n].size) // a client that hangs up ends it
}

func apiToDuckDB(ctx context.Context, e *env) (*plan, error) {
	if err := e.recordAPI(ctx); err != nil {
		return nil, err
	}
	base, stop, err := e.serveAPI(ctx)
	if err != nil {
		return nil, err
	}
	source := object{"connector": "shop", "config": object{"base_url": base, "api_key": "demo", "page_size": pageSize}}
	p, err := e.intoDuckDB("json-api", e.n(eventRows), source, refresh("events", "events"))
	if err != nil {
		stop()
		return nil, err
	}
	e.readWith(p, e.readJSON())
	p.done = stop
	return p, nil
}

func (e *env) readJSON() string {
	return "read_json('" + e.path(eventsFile) + "', format = 'newline_delimited')"
}

func jsonlToDuckDB(ctx context.Context, e *env) (*plan, error) {
	if err := e.recordAPI(ctx); err != nil {
		return nil, err
	}
	p, err := e.intoDuckDB("jsonl-to-duckdb", e.n(eventRows), e.fileSource(eventsFile), refresh("events", "events"))
	e.readWith(p, e.readJSON())
	return p, err
}

func jsonlToPostgres(ctx context.Context, e *env) (*plan, error) {
	if err := e.recordAPI(ctx); err != nil {
		return nil, err
	}
	file, err := e.pipeline("jsonl-to-postgres", e.fileSource(eventsFile), e.postgres("target"), refresh("events", "events"))
	n := e.n(eventRows)
	return &plan{
		rows: n, sync: file,
		reset:   func(ctx context.Context) error { return e.server.fresh(ctx, "target") },
		arrived: e.arrived("target", "raw.events", n),
		resetBaseline: func(ctx context.Context) error {
			return e.server.fresh(ctx, "target", `CREATE TABLE events (id bigint, type text, customer_id bigint, session text, occurred_at timestamptz, url text, referrer text,
				user_agent text, ip text, duration_ms bigint, value numeric, mobile boolean, properties jsonb)`)
		},
		baseline: func(ctx context.Context) (usage, error) {
			return runAll(e.server.psql(ctx, "target", "CREATE TEMPORARY TABLE incoming (doc jsonb)",
				`\copy incoming from '`+e.path(eventsFile)+`' with (format csv, delimiter e'\x01', quote e'\x02')`,
				`INSERT INTO events SELECT (doc->>'id')::bigint, doc->>'type', (doc->>'customer_id')::bigint, doc->>'session', (doc->>'occurred_at')::timestamptz, doc->>'url', doc->>'referrer',
				doc->>'user_agent', doc->>'ip', (doc->>'duration_ms')::bigint, (doc->>'value')::numeric, (doc->>'mobile')::boolean, doc->'properties' FROM incoming`))
		},
	}, err
}
