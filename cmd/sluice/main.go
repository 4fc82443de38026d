// Command sluice replicates data from sources into destinations. See README.md,
// and `sluice help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	_ "time/tzdata" // schedules name time zones, and the machine may know none

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/connectors"
	"github.com/sluicehq/sluice/destinations"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/plugin"
	"github.com/sluicehq/sluice/spec"
)

// servePlugin is the hidden argument with which the binary serves its built-in
// connectors to a host.
const servePlugin = "__plugin"

func main() {
	if len(os.Args) == 2 && os.Args[1] == servePlugin {
		plugin.Serve(connectors.Builtin(), destinations.Builtin())
		return
	}
	os.Exit(mainCode())
}

// mainCode runs the command line of this process and returns its exit code.
func mainCode() int {
	limitMemory(1)
	// With SIGPIPE caught, writing to a pipe that nobody reads is an error like
	// any other: a sync goes on, a list ends.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return run(os.Args[1:], &app{in: os.Stdin, out: &quietWriter{to: os.Stdout}, errOut: os.Stderr, environ: os.Environ(), lookup: os.LookupEnv, exit: os.Exit})
}

// An app is the outside world of a command.
type app struct {
	in      io.Reader
	out     io.Writer
	errOut  io.Writer
	environ []string
	lookup  func(string) (string, bool)
	exit    func(code int)

	pluginsDir string
	verbose    bool

	repeated atomic.Int64 // requests that connectors made again
	peaks    peaks
	secrets  mask.Masker // the last guard, behind drivers that keep them out of their messages
	mu       sync.Mutex
	live     func(line string) // says a line while a display is drawn; nil: none is
}

// note says a line to people, beside the output of the command.
func (a *app) note(line string) {
	line = a.secrets.Text(line)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.live != nil {
		a.live(line)
		return
	}
	fmt.Fprintln(a.errOut, line)
}

// setLive makes notes go through a display, until it is called with nil.
func (a *app) setLive(line func(string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.live = line
}

// close closes an end of the pipeline. What that cannot do is no failure of the
// command, which is over: it is mentioned.
func (a *app) close(what string, end io.Closer) {
	if err := end.Close(); err != nil {
		a.note(fmt.Sprintf("Warning: closing %s: %s", what, tidy(err.Error())))
	}
}

// A quietWriter is silent once its reader has gone.
type quietWriter struct {
	to   io.Writer
	gone atomic.Bool
}

// errGone says that nobody reads the output any more, which ends what only
// writes it.
var errGone = errors.New("nobody reads the output")

// Write implements io.Writer.
func (q *quietWriter) Write(b []byte) (int, error) {
	if q.gone.Load() {
		return 0, errGone
	}
	n, err := q.to.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		q.gone.Store(true)
		err = errGone
	}
	return n, err
}

func run(args []string, a *app) int {
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	strict(root)
	err := root.ExecuteContext(context.Background())
	if err != nil && !errors.Is(err, errRejected) && !errors.Is(err, errReported) && !errors.Is(err, errGone) {
		if exitCode(err) == exitInterrupted {
			a.note("Interrupted.")
		} else {
			a.note(explain(err, a.style(a.errOut)))
		}
	}
	return exitCode(err)
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Replicate data from databases, APIs and files into warehouses and databases",
		Long: `Sluice replicates data from databases, APIs and files into warehouses and
databases: exactly once, whatever is killed.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 finished with
rejected records, 130 interrupted (the next run goes on where this one ended).`,
		Example: `  sluice spec postgres              what a connector can be told
  sluice check pipeline.yaml        are both ends there, does the file fit them?
  sluice sync pipeline.yaml         bring the destination up to date
  sluice sql pipeline.yaml 'select count(*) from raw.orders'`,
		SilenceUsage: true, SilenceErrors: true,
		Args:              known,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error { a.setLog(); return nil },
	}
	root.SetFlagErrorFunc(flagError)
	dir, _ := a.lookup("SLUICE_PLUGINS_DIR")
	root.PersistentFlags().StringVar(&a.pluginsDir, "plugins-dir", dir, "folder of third-party plugins (SLUICE_PLUGINS_DIR)")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "show what connectors log")
	root.AddCommand(a.syncCommand(), a.checkCommand(), a.discoverCommand(), a.stateCommand(), a.sqlCommand(),
		a.connectorsCommand(), a.destinationsCommand(), a.specCommand(), a.connectorCommand(), a.sampleAPICommand(), a.versionCommand(),
		a.upCommand(), a.serverCommand(), a.workerCommand(), a.migrateCommand(), a.tokenCommand(), a.secretsCommand(),
		a.planCommand(), a.applyCommand(), a.exportCommand(), a.connectionCommand(), a.incidentCommand(), a.runbookCommand(), a.simulateCommand())
	return root
}

// strict makes the commands that cobra brings refuse words that they do not know.
// These keep the output that root has now.
func strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				about, rest, err := root.Find(args)
				if err != nil || !about.HasSubCommands() {
					return err
				}
				return known(about, rest)
			}
		case "completion":
			cmd.Args = known
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			for _, shell := range cmd.Commands() {
				shell.Args = noArgs
			}
		}
	}
}

// known refuses words after a command that has subcommands only.
func known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return usageError{fmt.Errorf("unknown command %q%s", args[0], orHelp(spec.DidYouMean(args[0], names), cmd))}
}

// flagError names the flag nearest to an unknown one.
func flagError(cmd *cobra.Command, err error) error {
	hint := ""
	if _, name, ok := strings.Cut(err.Error(), "unknown flag: --"); ok {
		hint = didYouMeanFlag(cmd, name)
	}
	return usageError{fmt.Errorf("%w%s", err, orHelp(hint, cmd))}
}

// orHelp returns the hint at a known word, or else where to find one.
func orHelp(hint string, cmd *cobra.Command) string {
	if hint == "" {
		return fmt.Sprintf("; see `%s --help`", cmd.CommandPath())
	}
	return hint
}

// fileArg is the argument list of commands that take one pipeline file.
func fileArg(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("one pipeline file is needed: `%s FILE`", cmd.CommandPath())}
	}
	return nil
}

// completeFile offers the pipeline files for the first argument.
func completeFile(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("`%s` takes no arguments", cmd.CommandPath())}
	}
	return nil
}
