package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/spec"
)

// Exit codes, as docs/cli.md lists them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2   // wrong usage or configuration
	exitRejected    = 3   // finished, but records were rejected
	exitInterrupted = 130 // ended early by a signal; the next run goes on
)

// errRejected says that a sync finished with rejected records.
var errRejected = errors.New("some records were rejected")

// errReported is wrapped by errors that the command has shown already.
var errReported = errors.New("reported")

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// exitCode is what err, the end of a command, is to the shell. Where several
// streams failed, it is the set-up's fault only if it is for each of them.
func exitCode(err error) int {
	switch {
	case err == nil, errors.Is(err, errGone):
		return exitDone
	case errors.Is(err, errRejected):
		return exitRejected
	case errors.Is(err, pipeline.ErrInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	causes := unjoin(err)
	for _, cause := range causes {
		if _, usage := errors.AsType[usageError](cause); !usage && sluice.ClassOf(cause) != sluice.Config {
			return exitFailed
		}
	}
	return exitUsage
}

// unjoin returns what errors.Join joined, without what only says that it was
// reported.
func unjoin(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // only the outermost error is taken apart
	if !ok {
		return []error{err}
	}
	var causes []error
	for _, e := range joined.Unwrap() {
		if e != errReported { //nolint:errorlint // the mark itself, not what wraps it
			causes = append(causes, unjoin(e)...)
		}
	}
	return causes
}

// explain shows an error to people: what happened, what to do about it, and the
// code by which documentation knows it.
func explain(err error, s style) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", s.red("Error:"), tidy(err.Error()))
	e, ok := errors.AsType[*sluice.Error](err)
	if !ok {
		return b.String()
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "\n  to do: %s", s.bold(e.Hint))
	}
	fmt.Fprintf(&b, "\n  %s", s.dim(fmt.Sprintf("code: %s (%s)", e.Code, e.Class)))
	return b.String()
}

const (
	maxErrorLines = 12
	maxErrorLine  = 400
)

// tidy shortens a message that repeats itself or does not end, as those of
// drivers do.
func tidy(message string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(message), "\n") {
		line = strings.TrimRight(strings.ReplaceAll(line, "\t", "  "), " \r")
		same := func(l string) bool { return strings.HasSuffix(l, strings.TrimSpace(line)) }
		if line == "" || slices.ContainsFunc(lines, same) {
			continue
		}
		lines = append(lines, clip(line, maxErrorLine))
	}
	if len(lines) > maxErrorLines {
		lines = append(lines[:maxErrorLines], "…")
	}
	return strings.Join(lines, "\n")
}

// didYouMeanFlag is spec.DidYouMean for the flags of a command.
func didYouMeanFlag(cmd *cobra.Command, name string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if hint := spec.DidYouMean(name, names); hint != "" {
		return strings.Replace(hint, "mean ", "mean --", 1)
	}
	return ""
}

// learn takes the secret values of a configuration, which are not shown from then
// on. On a terminal, what is as short as "demo" would blot out half of every
// message.
func (a *app) learn(schema, config json.RawMessage) {
	for _, v := range spec.SecretValues(schema, config) {
		if len(v) >= 6 {
			a.secrets.Add(v)
		}
	}
}
