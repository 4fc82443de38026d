package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/spec"
)

func (a *app) specCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "spec NAME",
		Short: "Show what a connector or destination can be configured with",
		Long: `Shows the fields of a configuration; with --json, its JSON Schema.

Where a connector and a destination have the same name, both are shown;
source/NAME and destination/NAME choose one.`,
		Example: "  sluice spec github\n  sluice spec destination/postgres --json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("one name is needed; `sluice connectors` and `sluice destinations` list them")}
			}
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			c, err := a.catalog(cmd.Context())
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			return c.names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.spec(cmd.Context(), args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the JSON Schema")
	return cmd
}

// described is a configuration that was asked for.
type described struct {
	role, name, title string
	schema            json.RawMessage
}

func (a *app) spec(ctx context.Context, name string, asJSON bool) error {
	c, err := a.catalog(ctx)
	if err != nil {
		return err
	}
	kind, short, qualified := strings.Cut(name, "/")
	if !qualified {
		kind, short = "", name
	}
	var found []described
	if d, ok := spec.Find(c.connectors, short); ok && kind != "destination" {
		found = append(found, described{"source", d.Name, d.Title, d.Config})
	}
	if d, ok := spec.Find(c.destinations, short); ok && kind != "source" {
		found = append(found, described{"destination", d.Name, d.Title, d.Config})
	}
	if len(found) == 0 {
		names := c.names()
		return sluice.Errorf(sluice.Config, "unknown_connector", "", "known are: "+strings.Join(names, ", "),
			"there is no connector or destination %q%s", name, spec.DidYouMean(short, names))
	}
	if asJSON {
		return a.writeSchema(found[0].schema)
	}
	for i, d := range found {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		if err := a.describe(d); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) writeSchema(schema json.RawMessage) error {
	var b bytes.Buffer
	if err := json.Indent(&b, schema, "", "  "); err != nil {
		return fmt.Errorf("the schema is no JSON: %w", err)
	}
	_, err := fmt.Fprintln(a.out, b.String())
	return err
}

// A field is a property of a configuration's JSON Schema.
type field struct {
	Type        string            `json:"type"`
	Description string            `json:"description"`
	WriteOnly   bool              `json:"writeOnly"`
	Default     json.RawMessage   `json:"default"`
	Examples    []json.RawMessage `json:"examples"`
	Enum        []string          `json:"enum"`
	Properties  map[string]*field `json:"properties"`
	Required    []string          `json:"required"`
	Order       []string          `json:"x-order"`
	Items       *field            `json:"items"`
}

// fields returns the names of the properties, in the order of the form.
func (f *field) fields() []string {
	if len(f.Order) > 0 {
		return f.Order
	}
	var names []string
	for name := range f.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// describe shows a configuration to people: its fields, and how a pipeline file
// names them.
func (a *app) describe(d described) error {
	var root field
	if err := json.Unmarshal(d.schema, &root); err != nil {
		return fmt.Errorf("the schema of %s: %w", d.name, err)
	}
	s := a.style(a.out)
	columns, _, ok := a.screen(a.out)
	if !ok {
		columns = 100
	}
	fmt.Fprintf(a.out, "%s\n\n", s.bold(fmt.Sprintf("%s (%s)", d.title, d.role)))
	a.describeFields("", &root, s, min(columns, 110))
	fmt.Fprintf(a.out, "\n%s\n  %s:\n    connector: %s\n", s.dim("In a pipeline file:"), d.role, d.name)
	example := exampleOf(&root, root.Required)
	if example == "" && len(root.Order) > 0 {
		example = exampleOf(&root, root.Order[:1])
	}
	fmt.Fprintf(a.out, "    config: {%s}\n", example)
	return nil
}

func (a *app) describeFields(path string, f *field, s style, columns int) {
	for _, name := range f.fields() {
		p := f.Properties[name]
		head := s.bold(path + name)
		if note := p.note(slices.Contains(f.Required, name)); note != "" {
			head += "  " + s.dim(note)
		}
		fmt.Fprintln(a.out, head)
		for _, line := range wrap(p.Description, columns-6) {
			fmt.Fprintln(a.out, "    "+line)
		}
		a.describeFields(path+name+".", p, s, columns)
		if p.Items != nil {
			a.describeFields(path+name+"[].", p.Items, s, columns)
		}
	}
}

// note says of a field what its kind is, and its bounds.
func (f *field) note(required bool) string {
	kind := map[string]string{"string": "text", "integer": "whole number", "boolean": "true or false", "array": "list", "object": "mapping"}[f.Type]
	if kind == "" {
		kind = f.Type
	}
	if len(f.Enum) > 0 {
		kind = strings.Join(f.Enum, " | ")
	}
	notes := []string{kind}
	if required {
		notes = append(notes, "required")
	}
	if f.WriteOnly {
		notes = append(notes, "secret")
	}
	if len(f.Default) > 0 && string(f.Default) != `""` {
		notes = append(notes, "default "+strings.Trim(string(f.Default), `"`))
	}
	return strings.Join(notes, ", ")
}

// exampleOf returns fields with a value each, as a YAML flow mapping has them.
func exampleOf(f *field, names []string) string {
	var parts []string
	for _, name := range names {
		p, value := f.Properties[name], "…"
		switch {
		case p.WriteOnly:
			value = `"${` + strings.ToUpper(name) + `}"`
		case len(p.Examples) > 0:
			value = string(p.Examples[0])
		case len(p.Enum) > 0:
			value = p.Enum[0]
		case p.Items != nil:
			value = "[{" + exampleOf(p.Items, p.Items.Required) + "}]"
		}
		parts = append(parts, name+": "+value)
	}
	return strings.Join(parts, ", ")
}

// wrap breaks a text into lines of at most most places.
func wrap(text string, most int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && textWidth(line)+1+textWidth(word) > most {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line == "" {
		return lines
	}
	return append(lines, line)
}
