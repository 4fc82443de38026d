package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health/runbook"
	"github.com/sluicehq/sluice/spec"
)

// runbooksFlag names the user's own runbooks.
func (a *app) runbooksFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "runbooks-dir", a.env("RUNBOOKS_DIR", ""), "folder of runbooks of your own, which win over those of Sluice (SLUICE_RUNBOOKS_DIR)")
}

// openRunbooks reads the runbooks of a folder; "": there are only those of Sluice.
func openRunbooks(dir string) (*runbook.Library, error) {
	if dir == "" {
		return runbook.Builtin(), nil
	}
	l, err := runbook.With(os.DirFS(dir))
	if err != nil {
		return nil, sluice.Errorf(sluice.Config, "runbooks_dir", "use the folder "+dir, "correct what is named, or choose another folder with --runbooks-dir or SLUICE_RUNBOOKS_DIR", "%w", err)
	}
	return l, nil
}

func (a *app) runbookCommand() *cobra.Command {
	var dir, connector string
	cmd := &cobra.Command{
		Use:   "runbook [CODE]",
		Short: "Show what to do about a failure, by its code",
		Long: `Prints the runbook of a code, as errors and failed syncs give it: what it means,
how to see it, what to do, and when to call whom. A runbook's id does as well.
Without a code, lists the runbooks.`,
		Example: "  sluice runbook postgres_auth\n  sluice runbook shop_http_401 --connector shop --runbooks-dir runbooks",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("one code at most: `%s [CODE]`", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := openRunbooks(dir)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				a.listRunbooks(l, connector)
				return nil
			}
			return a.showRunbook(l, connector, args[0])
		},
	}
	a.runbooksFlag(cmd, &dir)
	cmd.Flags().StringVar(&connector, "connector", "", "the connector or destination that the failure is of")
	return cmd
}

func (a *app) listRunbooks(l *runbook.Library, connector string) {
	t := newTable("runbook", "title", "codes")
	for _, b := range l.All() {
		if b.About(connector, "") {
			t.add(visible(b.ID), visible(b.Title), clip(strings.Join(b.Codes, " "), 60))
		}
	}
	t.write(a.out, a.style(a.out))
}

func (a *app) showRunbook(l *runbook.Library, connector, code string) error {
	b, ok := l.For(connector, code)
	if !ok {
		b, ok = l.ByID(code)
	}
	if !ok {
		var codes []string
		for _, b := range l.All() {
			codes = append(codes, b.Codes...)
		}
		return usageError{fmt.Errorf("there is no runbook for the code %q%s", code, spec.DidYouMean(code, codes))}
	}
	if !strings.HasPrefix(b.Text, "# ") {
		fmt.Fprintf(a.out, "# %s\n\n", b.Title)
	}
	_, err := fmt.Fprintln(a.out, b.Text)
	return err
}
