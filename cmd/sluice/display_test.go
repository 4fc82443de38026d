package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
)

func testApp() (*app, *bytes.Buffer, *bytes.Buffer) {
	var out, errOut bytes.Buffer
	return &app{out: &out, errOut: &errOut, lookup: func(string) (string, bool) { return "", false }}, &out, &errOut
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		count(0): "0", count(999): "999", count(1234567): "1,234,567", count(-1234): "-1,234",
		size(512): "512 B", size(1536): "1.5 KiB", size(3 << 30): "3.0 GiB",
		brief(40 * time.Millisecond): "0.04s", brief(4230 * time.Millisecond): "4.2s", brief(187 * time.Second): "3m07s", brief(70 * time.Second): "1m10s", brief(90 * time.Minute): "1h30m",
		plural(1, "row"): "1 row", plural(2000, "row"): "2,000 rows",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTextOnATerminal(t *testing.T) {
	t.Parallel()
	if n := textWidth("北京é"); n != 5 {
		t.Errorf("width %d", n)
	}
	if got := clip("北京市上海", 6); got != "北京…" || textWidth(got) > 6 {
		t.Errorf("clip %q", got)
	}
	if got := visible("a\x1b[31mb\nc\td"); got != `a\x1b[31mb⏎c d` {
		t.Errorf("visible %q", got)
	}
}

func TestTidy(t *testing.T) {
	t.Parallel()
	if got := tidy("connect:\n\tlookup h: no such host\n\tlookup h: no such host\n"); got != "connect:\n  lookup h: no such host" {
		t.Errorf("%q", got)
	}
	long := tidy(strings.Repeat("x", 5000) + "\n" + strings.Repeat("a\nb c\n", 1) + strings.Join(strings.Fields(strings.Repeat("l ", 1)), ""))
	if len(long) > 2*maxErrorLine {
		t.Errorf("%d bytes", len(long))
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	configured := &sluice.Error{Class: sluice.Config, Err: errors.New("x")}
	passing := &sluice.Error{Class: sluice.Transient, Err: errors.New("x")}
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {errGone, 0}, {passing, 1}, {errors.New("bug"), 1}, {fmt.Errorf("discover: %w", configured), 2}, {usageError{errors.New("x")}, 2},
		{errRejected, 3}, {pipeline.ErrInterrupted, 130}, {errors.Join(errReported, pipeline.ErrInterrupted), 130},
		{errors.Join(errReported, errors.Join(configured, configured)), 2}, {errors.Join(errReported, errors.Join(configured, passing)), 1},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	a, _, _ := testApp()
	schema := `{"properties":{"url":{"writeOnly":true},"auth":{"properties":{"token":{"writeOnly":true}}},"files":{"items":{"properties":{"key":{"writeOnly":true}}}},"name":{}}}`
	a.learn(json.RawMessage(schema), json.RawMessage(`{"url":"postgres://u:pass-word@h/db","auth":{"token":"tok-en-1"},"files":[{"key":"key-key-key"}],"name":"visible"}`))
	got := a.secrets.Text("pass-word tok-en-1 key-key-key visible postgres://u:pass-word@h/db")
	if got != "*** *** *** visible ***" && got != "*** *** *** visible postgres://u:***@h/db" {
		t.Errorf("%q", got)
	}
}

func progress(name string, phase pipeline.Phase, rows, total int64) pipeline.Progress {
	return pipeline.Progress{Stream: sluice.TableName{Schema: "public", Name: name}, Phase: phase, Rows: rows, Total: total, Bytes: rows * 100,
		Started: time.Unix(1000, 0), Ended: time.Unix(1010, 0)}
}

func TestLiveFrame(t *testing.T) {
	t.Parallel()
	a, _, _ := testApp()
	d := &liveDisplay{app: a, since: time.Unix(1000, 0)}
	streams := []pipeline.Progress{progress("customers", pipeline.Done, 10, 0), progress("orders", pipeline.Reading, 250_000, 1_000_000),
		progress("a_table_with_a_very_long_name_"+strings.Repeat("x", 60), pipeline.Finishing, 5, 0), progress("later", pipeline.Waiting, 0, 0)}
	lines := d.frame(streams, time.Unix(1010, 0), 99, 30)
	text := strings.Join(lines, "\n")
	for _, want := range []string{"public.orders", "reading", "250,000", "25,000", "10.0s", "██░░░░░░░░ 25%, about 30s left", "1 of 4 streams done", "250,015 rows"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "customers") || strings.Contains(text, "later") {
		t.Errorf("streams that are not under way:\n%s", text)
	}
	for range 100 {
		streams = append(streams, progress("more", pipeline.Reading, 1, 0))
	}
	for _, size := range [][2]int{{39, 10}, {79, 24}, {199, 5}} {
		lines := d.frame(streams, time.Unix(1010, 0), size[0], size[1])
		if len(lines) >= size[1] {
			t.Errorf("%d lines on %v", len(lines), size)
		}
		for _, l := range lines {
			if textWidth(l) > size[0] {
				t.Errorf("%q is wider than %v", l, size)
			}
		}
	}
}

func TestSummaryOfManyStreamsIsShort(t *testing.T) {
	t.Parallel()
	var all []pipeline.Progress
	for i := range 1000 {
		all = append(all, progress(fmt.Sprint("t", i), pipeline.Done, int64(i), 0))
	}
	all[7].Phase = pipeline.Failed
	shown, others := shorten(all)
	if len(shown) != mostStreams+1 || len(shown)+len(others) != 1000 || shown[0].Stream.Name != "t7" {
		t.Errorf("%d shown, %d not, first %s", len(shown), len(others), shown[0].Stream)
	}
	if n := sum(shown).Rows + sum(others).Rows; n != 999*1000/2 {
		t.Errorf("%d rows", n)
	}
}

func TestFailuresAreSaidOncePerCause(t *testing.T) {
	t.Parallel()
	a, _, errOut := testApp()
	same := func() *sluice.Error {
		return &sluice.Error{Class: sluice.Auth, Code: "x_auth", Op: "connect", Err: errors.New("no entry"), Hint: "ask"}
	}
	all := []pipeline.Progress{progress("a", pipeline.Failed, 0, 0), progress("b", pipeline.Failed, 0, 0), progress("c", pipeline.Failed, 0, 0), progress("d", pipeline.Done, 1, 0)}
	all[0].Err, all[1].Err = same(), same()
	all[2].Err = &sluice.Error{Class: sluice.Data, Code: "x_data", Err: errors.New("bad row")}
	a.failures(all, errors.New("unused"))
	want := "Error: public.a, public.b: connect: no entry\n  to do: ask\n  code: x_auth (auth)\nError: public.c: bad row\n  code: x_data (data)\n"
	if errOut.String() != want {
		t.Errorf("got\n%s", errOut)
	}
}
