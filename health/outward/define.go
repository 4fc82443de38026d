package outward

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/spec"
)

// Define is spec.Define for what is no connector: where the fields are explained is
// a page of the manual.
func Define[T, C any](name, title string, open func(context.Context, C) (T, error)) spec.Definition[T] {
	d := spec.Define(name, title, open)
	inner := d.Open
	d.Open = func(ctx context.Context, config json.RawMessage) (T, error) {
		opened, err := inner(ctx, config)
		if e, ok := errors.AsType[*sluice.Error](err); ok && e.Op == name+" configuration" {
			told := *e
			told.Op, told.Hint = "configuration of "+title, "see the page on tickets and notifications in the manual for the fields and their meaning"
			err = &told
		}
		return opened, err
	}
	return d
}
