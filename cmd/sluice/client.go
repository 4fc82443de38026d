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
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
)

// A client speaks to the API of a server.
type client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// remote are the flags of commands that speak to a server.
type remote struct{ server string }

func (r *remote) flags(a *app, cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&r.server, "server", a.env("SERVER", "http://127.0.0.1:8080"), "address of the server (SLUICE_SERVER); its token comes in SLUICE_TOKEN")
}

// client returns a client of the server that the flags name. The token is taken
// from the environment only: a command line can be seen by others.
func (a *app) client(r remote) (*client, error) {
	base, err := url.Parse(r.server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, usageError{fmt.Errorf("--server: %q is no address such as http://127.0.0.1:8080", r.server)}
	}
	token := a.env("TOKEN", "")
	if token == "" {
		return nil, sluice.Errorf(sluice.Config, "no_token", "", "set SLUICE_TOKEN; `sluice token create` makes one on the machine of the server's store, and so do admins through the API",
			"the server wants a token, and there is none")
	}
	a.secrets.Add(token)
	if host := base.Hostname(); base.Scheme == "http" && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		a.note("Warning: " + base.Host + " is spoken to without encryption; the token can be read on the way.")
	}
	return &client{base: base, token: token, http: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: time.Minute}}}, nil
}

// problem is an answer that is no success (RFC 9457).
type problem struct {
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Hint   string `json:"hint"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

// Error says what is wrong, field by field where fields are at fault.
func (p *problem) Error() string {
	if len(p.Errors) == 0 {
		return p.Detail
	}
	lines := make([]string, len(p.Errors))
	for i, e := range p.Errors {
		lines[i] = strings.TrimPrefix(e.Location, "body.") + " " + e.Message
	}
	return strings.Join(lines, "\n")
}

// err returns the problem with its class.
func (p *problem) err() error {
	class := sluice.Config
	switch {
	case p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden:
		class = sluice.Auth
	case p.Status >= http.StatusInternalServerError || p.Status == http.StatusTooManyRequests:
		class = sluice.Transient
	}
	return &sluice.Error{Class: class, Code: p.Code, Hint: p.Hint, Err: p}
}

// do sends a request and reads its answer into out, which may be nil.
func (c *client) do(ctx context.Context, method, path string, query url.Values, body, out any) error {
	op := strings.ToLower(method) + " " + path
	var text []byte
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		text = raw
	}
	resp, err := c.send(ctx, method, path, query, text)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return readProblem(resp, op)
	}
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return sluice.Errorf(sluice.Transient, "server_answer", op, "is this the address of a Sluice server of this version?", "the answer cannot be read: %w", err)
	}
	return nil
}

// patience is how long a client waits in all for a server that has had too many
// requests.
const patience = 2 * time.Minute

// send sends a request, and again when the server says that there were too many:
// it has done nothing then, and says when to come back.
func (c *client) send(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Response, error) {
	for left := patience; ; {
		resp, err := c.sendOnce(ctx, method, path, query, body)
		if err != nil || resp.StatusCode != http.StatusTooManyRequests {
			return resp, err
		}
		seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		wait := time.Duration(seconds) * time.Second
		if err != nil || wait < 0 || wait > left || left <= 0 {
			return resp, nil //nolint:nilerr // a wait that cannot be read: the answer itself says what is wrong
		}
		_ = resp.Body.Close()
		left -= max(wait, time.Second)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

func (c *client) sendOnce(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Response, error) {
	at := c.base.JoinPath("api/v1", path)
	at.RawQuery = query.Encode()
	var text io.Reader
	if body != nil {
		text = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), text)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("User-Agent", "sluice/"+version())
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the address, which is in the operation
		}
		return nil, sluice.Errorf(sluice.Transient, "server_unreachable", "reach "+c.base.String(), "is the server running (sluice up)? --server or SLUICE_SERVER says where it is", "%w", err)
	}
	return resp, nil
}

func readProblem(resp *http.Response, op string) error {
	p := problem{Status: resp.StatusCode}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || json.Unmarshal(raw, &p) != nil || p.Code == "" {
		return sluice.Errorf(sluice.Transient, "server_answer", op, "is this the address of a Sluice server?", "the server answered %s", resp.Status)
	}
	p.Status = resp.StatusCode
	return p.err()
}

// listAll reads a list to its end.
func listAll[T any](ctx context.Context, c *client, path string, query url.Values) (all []T, err error) {
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", strconv.Itoa(500))
	for {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next"`
		}
		if err := c.do(ctx, http.MethodGet, path, query, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("cursor", page.Next)
	}
}

// follow reads server-sent events until the server ends them; each is given its
// id, type and data. It goes on where it was when the connection breaks.
func (c *client) follow(ctx context.Context, path string, query url.Values, each func(kind string, data []byte) error) error {
	live := *c
	live.http = &http.Client{Transport: c.http.Transport} // without a time limit
	var last string
	for failures := 0; ; {
		ended, err := live.followOnce(ctx, path, query, &last, each, func() { failures = 0 })
		if ended || ctx.Err() != nil {
			return err
		}
		if failures++; failures > 5 || err != nil && sluice.ClassOf(err) != sluice.Transient {
			return err
		}
		pause := time.NewTimer(time.Duration(failures) * 500 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

func (c *client) followOnce(ctx context.Context, path string, query url.Values, last *string, each func(string, []byte) error, alive func()) (ended bool, err error) {
	at := c.base.JoinPath("api/v1", path)
	at.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return true, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", "text/event-stream")
	if *last != "" {
		req.Header.Set("Last-Event-ID", *last)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return false, sluice.Errorf(sluice.Transient, "server_unreachable", "reach "+c.base.String(), "is the server running (sluice up)?", "%w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false, readProblem(resp, "get "+path)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	var kind, id string
	var data []byte
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if kind == "end" {
				return true, nil
			}
			if data != nil {
				alive()
				if err := each(kind, data); err != nil {
					return true, err
				}
			}
			if id != "" {
				*last = id
			}
			kind, id, data = "", "", nil
		case field == "event":
			kind = value
		case field == "id":
			id = value
		case field == "data":
			data = append(data, value...)
		}
	}
	return false, lines.Err()
}
