// Package spec says how connectors and destinations are defined: a name, a
// configuration struct whose tags give the JSON Schema of the set-up form, and a
// function that opens one. It reads and checks configurations.
package spec

import (
	"context"
	"encoding/json"

	"github.com/sluicehq/sluice"
)

// A Definition is a named, described way to open a T from a user's
// configuration. It is a value: lists of them are plain slices.
type Definition[T any] struct {
	Name   string          // as in a pipeline file: "postgres"
	Title  string          // for people: "PostgreSQL"
	Config json.RawMessage // JSON Schema (2020-12) of the configuration; draws the set-up form
	// Open reads the configuration and returns a T that has done no I/O yet.
	// What is wrong with the configuration is a *sluice.Error of class Config that
	// names each field at fault.
	Open func(ctx context.Context, config json.RawMessage) (T, error)
}

type (
	// Connector is a kind of source.
	Connector = Definition[sluice.Source]
	// Destination is a kind of destination.
	Destination = Definition[sluice.Destination]
)

// Validator is implemented by configurations that check more than their tags
// say. Its error names the field and the remedy.
type Validator interface{ Validate() error }

// Define makes a Definition from a typed constructor. C is a struct; its fields'
// tags give the schema and the checks:
//
//	json      the name; fields without one are left out
//	title     label in forms; from the name where missing
//	doc       what it is, in one or two sentences
//	required  "true": must be given and not empty
//	secret    "true": never shown, stored encrypted (strings only)
//	default   used where the field is not given
//	enum      allowed values, separated by commas
//	min, max  bounds of a number
//	example   a value for documentation
//
// Fields may be strings, booleans, integers, floats, Duration, slices of these
// or of structs, string maps, structs and pointers to structs.
func Define[T, C any](name, title string, open func(context.Context, C) (T, error)) Definition[T] {
	var zero C
	return Definition[T]{
		Name: name, Title: title,
		Config: ConfigSchema(zero),
		Open: func(ctx context.Context, raw json.RawMessage) (T, error) {
			var c C
			if err := DecodeConfig(raw, &c); err != nil {
				var none T
				return none, &sluice.Error{Class: sluice.Config, Code: "config_invalid", Op: name + " configuration", Err: err,
					Hint: "see `sluice spec " + name + "` for the fields and their meaning"}
			}
			return open(ctx, c)
		},
	}
}

// Find returns the definition of that name.
func Find[T any](all []Definition[T], name string) (Definition[T], bool) {
	for _, d := range all {
		if d.Name == name {
			return d, true
		}
	}
	return Definition[T]{}, false
}
