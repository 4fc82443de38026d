package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluicehq/sluice/connectors"
	"github.com/sluicehq/sluice/destinations"
)

func page(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", "..", "docs"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPagesNameEveryField holds the page of each connector and destination to its
// configuration.
func TestPagesNameEveryField(t *testing.T) {
	t.Parallel()
	for _, d := range connectors.Builtin() {
		namesEveryField(t, page(t, "connectors", d.Name+".md"), d.Name, d.Config)
	}
	for _, d := range destinations.Builtin() {
		namesEveryField(t, page(t, "destinations", d.Name+".md"), d.Name, d.Config)
	}
}

func namesEveryField(t *testing.T, text, name string, schema json.RawMessage) {
	t.Helper()
	var root field
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	var walk func(f *field, path string)
	walk = func(f *field, path string) {
		for _, own := range f.fields() {
			if !strings.Contains(text, "`"+own+"`") && !strings.Contains(text, "`"+path+own+"`") {
				t.Errorf("the page of %s does not name the field `%s`", name, path+own)
			}
			walk(f.Properties[own], path+own+".")
			if items := f.Properties[own].Items; items != nil {
				walk(items, path+own+"[].")
			}
		}
	}
	walk(&root, "")
}

// TestManualNamesEveryCommandAndFlag holds docs/cli.md to the commands.
func TestManualNamesEveryCommandAndFlag(t *testing.T) {
	t.Parallel()
	a, _, _ := testApp()
	text := page(t, "cli.md")
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if !strings.Contains(text, "`"+cmd.CommandPath()) {
			t.Errorf("docs/cli.md does not name `%s`", cmd.CommandPath())
		}
		cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(text, "`--"+f.Name) {
				t.Errorf("docs/cli.md does not name --%s of %s", f.Name, cmd.CommandPath())
			}
		})
		if cmd.Short == "" {
			t.Errorf("%s does not say what it does", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(a.rootCommand())
}
