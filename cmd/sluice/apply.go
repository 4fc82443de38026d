package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
)

// asCode are the flags of apply and plan.
type asCode struct {
	remote
	path  string
	prune bool
	json  bool
}

func (f *asCode) flags(a *app, cmd *cobra.Command) {
	f.remote.flags(a, cmd)
	cmd.Flags().StringVarP(&f.path, "file", "f", "", "YAML file, or folder of them, with documents of sources, destinations and connections")
	cmd.Flags().BoolVar(&f.prune, "prune", false, "delete what the server has and the documents do not name; tables stay")
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON")
}

func (a *app) planCommand() *cobra.Command {
	var f asCode
	cmd := &cobra.Command{
		Use: "plan -f PATH", Short: "Say what apply would change on a server", Args: noArgs,
		Long: `Compares documents with what a server has, and says what ` + "`sluice apply`" + ` would
create, change and delete. Nothing is changed.`,
		Example: `  sluice plan -f sluice.d/`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, changes, err := a.compareDocuments(cmd.Context(), f)
			if err != nil {
				return err
			}
			if f.json {
				return a.writeJSON(planned(changes))
			}
			a.showPlan(changes)
			return nil
		},
	}
	f.flags(a, cmd)
	return cmd
}

func (a *app) applyCommand() *cobra.Command {
	var f asCode
	cmd := &cobra.Command{
		Use: "apply -f PATH", Short: "Make a server have what documents say", Args: noArgs,
		Long: `Creates and changes sources, destinations and connections on a server, so that they
are as the documents say. Applying twice changes nothing. What the documents do
not name stays, unless --prune is given. ` + "`sluice plan`" + ` says beforehand what would change.`,
		Example: `  sluice apply -f sluice.d/
  sluice apply -f sluice.d/ --prune`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.apply(cmd.Context(), f) },
	}
	f.flags(a, cmd)
	return cmd
}

// comparison is what there is on a server that documents are compared with.
type comparison struct {
	*client
	*inventory
}

func (a *app) compareDocuments(ctx context.Context, f asCode) (*comparison, []config.Change, error) {
	if f.path == "" {
		return nil, nil, usageError{errors.New("-f is needed: the YAML file or folder with the documents")}
	}
	docs, err := config.LoadDocuments(f.path)
	if err != nil {
		return nil, nil, err
	}
	c, err := a.client(f.remote)
	if err != nil {
		return nil, nil, err
	}
	named := map[string]bool{}
	for i := range docs {
		named[strings.ToLower(docs[i].Name())] = true
	}
	have, err := c.inventory(ctx, func(name string) bool { return named[strings.ToLower(name)] })
	if err != nil {
		return nil, nil, err
	}
	isID := func(kind, ref string) bool {
		for at, id := range have.ids {
			if at[0] == kind && id == ref {
				return true
			}
		}
		return false
	}
	if err := config.Missing(have.objects, docs, f.prune, isID); err != nil {
		return nil, nil, err
	}
	return &comparison{c, have}, config.Diff(have.objects, docs, have.secrets, f.prune), nil
}

// plannedChange is a line of `sluice plan --json`, and of `sluice apply --json`.
type plannedChange struct {
	Action string         `json:"action"`
	Kind   string         `json:"kind"`
	Name   string         `json:"name"`
	Fields []plannedField `json:"fields,omitempty"`
	Notes  []string       `json:"notes,omitempty"`
}

type plannedField struct {
	Path   string `json:"path"`
	From   any    `json:"from,omitempty"`
	To     any    `json:"to,omitempty"`
	Secret bool   `json:"secret,omitempty"`
	Unsure bool   `json:"unsure,omitempty"`
}

func planned(changes []config.Change) []plannedChange {
	out := []plannedChange{}
	for _, c := range changes {
		p := plannedChange{Action: c.Action, Kind: c.Kind, Name: c.Name}
		for _, f := range c.Fields {
			p.Fields = append(p.Fields, plannedField(f))
		}
		out = append(out, p)
	}
	return out
}

func (a *app) showPlan(changes []config.Change) {
	s := a.style(a.out)
	counts := map[string]int64{}
	for _, c := range changes {
		counts[c.Action]++
		fmt.Fprintln(a.out, changeLine(c, s))
		for _, f := range c.Fields {
			fmt.Fprintln(a.out, "    "+fieldLine(f))
		}
	}
	if len(changes) == 0 {
		fmt.Fprintln(a.out, "Nothing would change: the server has what the documents say.")
		return
	}
	fmt.Fprintf(a.out, "\n%d to create, %d to change, %d to delete.\n", counts[config.Create], counts[config.Update], counts[config.Delete])
}

func changeLine(c config.Change, s style) string {
	what := c.Kind + " " + visible(c.Name)
	switch c.Action {
	case config.Create:
		return s.green("+ ") + what
	case config.Delete:
		return s.red("- ") + what
	}
	return s.bold("~ ") + what
}

func fieldLine(f config.FieldChange) string {
	switch {
	case f.Unsure:
		return f.Path + ": a secret that is stored; the server sees whether it differs"
	case f.Secret:
		return f.Path + ": a secret that is replaced"
	}
	return fmt.Sprintf("%s: %s → %s", f.Path, short(f.From), short(f.To))
}

// short writes a value in a line.
func short(v any) string {
	if v == nil {
		return "nothing"
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	const most = 100
	return clip(visible(string(raw)), most)
}

// apply does what the comparison says, kind by kind: what depends on something
// that failed is not tried.
func (a *app) apply(ctx context.Context, f asCode) error {
	at, changes, err := a.compareDocuments(ctx, f)
	if err != nil {
		return err
	}
	var errs []error
	done := []plannedChange{}
	kind := ""
	for _, c := range changes {
		if len(errs) > 0 && c.Kind != kind {
			break
		}
		kind = c.Kind
		p, err := at.perform(ctx, c)
		if err != nil {
			err = placed(c, err)
			a.note(explain(err, a.style(a.errOut)))
			errs = append(errs, err)
			continue
		}
		done = append(done, p)
		if !f.json {
			a.showDone(p)
		}
	}
	if f.json {
		if err := a.writeJSON(done); err != nil {
			return err
		}
	} else if len(changes) == 0 {
		fmt.Fprintln(a.out, "Nothing changed: the server has what the documents say.")
	}
	if len(errs) > 0 {
		return errors.Join(append(errs, errReported)...)
	}
	return nil
}

// placed says where in the documents each fault that a server found is.
func placed(c config.Change, err error) error {
	p, ok := errors.AsType[*problem](err)
	if !ok || c.Want == nil || len(p.Errors) == 0 {
		return fmt.Errorf("%s %s %s: %w", c.Action, c.Kind, c.Name, err)
	}
	lines := config.Endpoint{Lines: c.Want.Lines}
	var faults []error
	for _, e := range p.Errors {
		at := strings.TrimPrefix(e.Location, "body.")
		line := lines.LineOf(at + " ")
		if line == 0 {
			line = c.Want.Line
		}
		faults = append(faults, &config.Error{Path: c.Want.Path, Line: line, Reason: c.Kind + " " + c.Name + ": " + at + " " + e.Message})
	}
	slices.SortStableFunc(faults, func(a, b error) int { return a.(*config.Error).Line - b.(*config.Error).Line }) //nolint:errorlint // made above
	whole := *sluice.AsError(err)
	whole.Err = errors.Join(faults...)
	return &whole
}

func (a *app) showDone(p plannedChange) {
	fmt.Fprintf(a.out, "%s %s %s\n", p.Kind, visible(p.Name), p.Action)
	for _, note := range p.Notes {
		fmt.Fprintln(a.out, "    "+note)
	}
}

// perform makes one change and says what became of it: created, changed,
// unchanged or deleted.
func (at *comparison) perform(ctx context.Context, c config.Change) (plannedChange, error) {
	p := plannedChange{Kind: c.Kind, Name: c.Name}
	path := paths[c.Kind]
	one := path + "/" + at.ids[place(c.Kind, c.Name)]
	switch c.Action {
	case config.Create:
		p.Action = "created"
		var body any = c.Want.Endpoint
		if c.Want.Connection != nil {
			body = c.Want.Connection
		}
		return p, at.do(ctx, http.MethodPost, path, nil, body, nil)
	case config.Delete:
		p.Action = "deleted"
		return p, at.do(ctx, http.MethodDelete, one, nil, nil, nil)
	}
	var after remoteConnection // what matters of the others is in it, too
	err := at.do(ctx, http.MethodPatch, one, nil, c.Patch, &after)
	p.Action, p.Notes = "changed", after.Notes
	if after.UpdatedAt.Equal(at.updated[place(c.Kind, c.Name)]) {
		p.Action = "unchanged"
	}
	return p, err
}

func (a *app) exportCommand() *cobra.Command {
	var r remote
	var file string
	cmd := &cobra.Command{
		Use: "export", Short: "Write what a server has as documents", Args: noArgs,
		Long: `Writes the sources, destinations and connections of a server as YAML documents,
which ` + "`sluice apply`" + ` takes. Secrets are never in them: references are written as
they are; in place of a secret that the server keeps comes ${env:SLUICE_SECRET_NAME_FIELD},
which stands for the secret that is there when it is applied to the same server.`,
		Example: `  sluice export > sluice.yaml`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(r)
			if err != nil {
				return err
			}
			have, err := c.inventory(cmd.Context(), func(string) bool { return true })
			if err != nil {
				return err
			}
			text, err := config.Export(have.objects)
			if err != nil {
				return err
			}
			if file != "" {
				return os.WriteFile(file, text, 0o600)
			}
			_, err = a.out.Write(text)
			return err
		},
	}
	r.flags(a, cmd)
	cmd.Flags().StringVarP(&file, "output", "o", "", "write to this file")
	return cmd
}
