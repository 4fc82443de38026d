// Command sluice replicates data from sources into destinations. See README.md,
// and `sluice help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors"
	"github.com/sluicehq/sluice/destinations"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/plugin"
)

// Exit codes, as docs/cli.md lists them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2   // wrong usage or configuration
	exitRejected    = 3   // finished, but records were rejected
	exitInterrupted = 130 // ended early by a signal; the next run goes on
)

// servePlugin is the hidden argument with which the binary serves its built-in
// connectors to a host.
const servePlugin = "__plugin"

func main() {
	if len(os.Args) == 2 && os.Args[1] == servePlugin {
		plugin.Serve(connectors.Builtin(), destinations.Builtin())
		return
	}
	limitMemory()
	os.Exit(run(os.Args[1:], &app{in: os.Stdin, out: os.Stdout, errOut: os.Stderr, environ: os.Environ(), lookup: os.LookupEnv}))
}

// An app is the outside world of a command.
type app struct {
	in      io.Reader
	out     io.Writer
	errOut  io.Writer
	environ []string
	lookup  func(string) (string, bool)

	pluginsDir string
	verbose    bool
	debug      bool
}

// errRejected says that a sync finished with rejected records.
var errRejected = errors.New("some records were rejected")

func run(args []string, a *app) int {
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	err := root.ExecuteContext(context.Background())
	if err != nil && !errors.Is(err, errRejected) && !errors.Is(err, errReported) {
		fmt.Fprintln(a.errOut, explain(err))
	}
	return exitCode(err)
}

// errReported is wrapped by errors that the command has shown already.
var errReported = errors.New("reported")

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errRejected):
		return exitRejected
	case errors.Is(err, pipeline.ErrInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	switch sluice.ClassOf(err) {
	case sluice.Config:
		return exitUsage
	default:
		var usage usageError
		if errors.As(err, &usage) {
			return exitUsage
		}
		return exitFailed
	}
}

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// explain shows an error to people: what happened, its code and class, and what
// to do about it.
func explain(err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Error: %v", err)
	if e, ok := errors.AsType[*sluice.Error](err); ok {
		fmt.Fprintf(&b, "\n  code: %s (%s)", e.Code, e.Class)
		if e.Hint != "" {
			fmt.Fprintf(&b, "\n  to do: %s", e.Hint)
		}
	}
	return b.String()
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Replicate data from databases, APIs and files into warehouses and databases",
		Long: `Sluice replicates data from sources into destinations, exactly once whatever is killed.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 finished with
rejected records, 130 interrupted (the next run goes on where this one ended).`,
		SilenceUsage: true, SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q; `sluice help` lists them", args[0])}
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error { a.setLog(); return nil },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
	})
	dir, _ := a.lookup("SLUICE_PLUGINS_DIR")
	root.PersistentFlags().StringVar(&a.pluginsDir, "plugins-dir", dir, "folder of third-party plugins (SLUICE_PLUGINS_DIR)")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "show what connectors log")
	root.AddCommand(a.syncCommand(), a.checkCommand(), a.discoverCommand(), a.stateCommand(), a.sqlCommand(),
		a.connectorsCommand(), a.destinationsCommand(), a.specCommand(), a.connectorCommand(), a.sampleAPICommand(), a.versionCommand())
	return root
}

func (a *app) setLog() {
	level := slog.LevelWarn
	if a.verbose {
		level = slog.LevelDebug
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(a.errOut, &slog.HandlerOptions{Level: level})))
}

// fileArg is the argument list of commands that take one pipeline file.
func fileArg(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("one pipeline file is needed: `%s FILE`", cmd.CommandPath())}
	}
	return nil
}
