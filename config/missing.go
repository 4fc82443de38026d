package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/spec"
)

// Missing returns an error that joins an *Error for each source, destination and
// connection that a document of want refers to and that will not be there once the
// documents are applied: neither they nor have has it, or prune deletes it. isID
// reports whether a reference is the id of an object of a kind in have.
func Missing(have []Object, want []Document, prune bool, isID func(kind, ref string) bool) error {
	names := map[string][]string{}
	for i := range want {
		names[want[i].Kind] = append(names[want[i].Kind], want[i].Name())
	}
	for i := range have {
		if !prune {
			names[have[i].Kind] = append(names[have[i].Kind], have[i].Name())
		}
	}
	var errs []error
	for i := range want {
		d := &want[i]
		if d.Connection == nil {
			continue
		}
		look := func(field, kind, ref string) {
			if isID(kind, ref) {
				return
			}
			for _, name := range names[kind] {
				if strings.EqualFold(name, ref) {
					return
				}
			}
			errs = append(errs, &Error{Path: d.Path, Line: orLine(d.Lines[field], d.Line),
				Reason: fmt.Sprintf("%s %s: there is no %s %q, neither in the documents nor on the server%s", d.Kind, d.Name(), kind, ref, spec.DidYouMean(ref, names[kind]))})
		}
		look("source", KindSource, d.Connection.Source)
		look("destination", KindDestination, d.Connection.Destination)
		for n, ref := range d.Connection.DependsOn {
			look(fmt.Sprintf("depends_on[%d]", n), KindConnection, ref)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &sluice.Error{Class: sluice.Config, Code: "document_invalid", Err: errors.Join(errs...), Hint: "correct the lines named, or add documents of what is missing"}
}
