package control

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/store"
)

// opened is an endpoint that is ready to be opened.
type opened[T any] struct {
	outward func(context.Context) context.Context
	kind    Kind[T]
	config  json.RawMessage
	masker  *mask.Masker
}

func (o opened[T]) open(ctx context.Context) (T, error) {
	if o.kind.Untrusted {
		var none T
		return none, fail("plugin_untrusted", "open "+o.kind.Name, "run `sluice connector trust "+o.kind.Name+"` on the machine that runs it", "the plugin is not trusted yet")
	}
	return o.kind.Open(o.outward(ctx), o.config)
}

func (c *Control) sourceToOpen(ctx context.Context, s *store.Source) (o opened[sluice.Source], err error) {
	if o.kind, err = c.Connector(ctx, s.Connector); err != nil {
		return o, err
	}
	settings, secrets, err := c.SourceConfig(s)
	o.config, o.masker, o.outward = settings, mask.New(secrets...), c.o.Outward
	return o, err
}

func (c *Control) destinationToOpen(ctx context.Context, d *store.Destination) (o opened[sluice.Destination], err error) {
	if o.kind, err = c.DestinationKind(ctx, d.Kind); err != nil {
		return o, err
	}
	settings, secrets, err := c.DestinationConfig(d)
	o.config, o.masker, o.outward = settings, mask.New(secrets...), c.o.Outward
	return o, err
}

// CheckSource starts a check of a source: an operation whose result is how the
// source's setup_state comes to be.
func (c *Control) CheckSource(ctx context.Context, who Actor, id string) (*store.Operation, error) {
	s, err := c.store.Source(ctx, id)
	if err != nil {
		return nil, err
	}
	o, openErr := c.sourceToOpen(ctx, s)
	return c.start(ctx, who, job{kind: OpCheckSource, object: id, limit: c.o.CheckTime, masker: o.masker,
		do: func(ctx context.Context, progress func(int64, int64, string)) (any, func(context.Context, *store.Store, *store.Failure) error, error) {
			err := openErr
			if err == nil {
				err = checkSource(ctx, o, progress)
			}
			return checked{true}, c.keepSource(s, err), err
		}})
}

// checked is the result of a check.
type checked struct {
	OK bool `json:"ok"`
}

func checkSource(ctx context.Context, o opened[sluice.Source], progress func(int64, int64, string)) (err error) {
	src, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // what a check finds does not hang on it
	progress(0, 0, "checking")
	return src.Check(ctx)
}

// keepSource returns what keeps the result of a check.
func (c *Control) keepSource(s *store.Source, err error) func(context.Context, *store.Store, *store.Failure) error {
	return func(ctx context.Context, tx *store.Store, f *store.Failure) error {
		setup, ok := setupAfter(s.Setup, err)
		if !ok {
			return nil
		}
		if err := tx.SetSourceSetup(ctx, s.ID, setup, f, c.store.Now()); err != nil {
			return err
		}
		return tx.AppendEvents(ctx, checkedEvent("source.checked", s.ID, s.Name, setup))
	}
}

func (c *Control) keepDestination(d *store.Destination, err error) func(context.Context, *store.Store, *store.Failure) error {
	return func(ctx context.Context, tx *store.Store, f *store.Failure) error {
		setup, ok := setupAfter(d.Setup, err)
		if !ok {
			return nil
		}
		if err := tx.SetDestinationSetup(ctx, d.ID, setup, f, c.store.Now()); err != nil {
			return err
		}
		return tx.AppendEvents(ctx, checkedEvent("destination.checked", d.ID, d.Name, setup))
	}
}

func checkedEvent(kind, id, name string, setup store.SetupState) store.Event {
	return store.Event{Type: kind, Data: encode(map[string]string{"id": id, "name": name, "setup_state": string(setup)})}
}

// setupAfter returns the set-up state after a check. What passes by itself says
// nothing about the set-up.
func setupAfter(before store.SetupState, err error) (store.SetupState, bool) {
	if err == nil {
		return store.Connected, true
	}
	switch sluice.ClassOf(err) {
	case sluice.Cancelled:
		return before, false
	case sluice.Transient, sluice.Throttled:
		return before, true
	}
	return store.Broken, true
}

// CheckDestination is CheckSource for destinations; its result has the traits.
func (c *Control) CheckDestination(ctx context.Context, who Actor, id string) (*store.Operation, error) {
	d, err := c.store.Destination(ctx, id)
	if err != nil {
		return nil, err
	}
	o, openErr := c.destinationToOpen(ctx, d)
	return c.start(ctx, who, job{kind: OpCheckDestination, object: id, limit: c.o.CheckTime, masker: o.masker,
		do: func(ctx context.Context, progress func(int64, int64, string)) (any, func(context.Context, *store.Store, *store.Failure) error, error) {
			err := openErr
			var traits sluice.Traits
			if err == nil {
				traits, err = checkDestination(ctx, o, progress)
			}
			return map[string]any{"ok": true, "traits": traits}, c.keepDestination(d, err), err
		}})
}

func checkDestination(ctx context.Context, o opened[sluice.Destination], progress func(int64, int64, string)) (sluice.Traits, error) {
	dest, err := o.open(ctx)
	if err != nil {
		return sluice.Traits{}, err
	}
	defer func() { _ = dest.Close() }()
	progress(0, 0, "checking")
	return dest.Traits(), dest.Check(ctx)
}

// CheckSpec starts a check of a source or destination that is not kept yet: kind
// is config.KindSource or config.KindDestination. With id, want's secrets that are
// left out are those of the object of that id.
func (c *Control) CheckSpec(ctx context.Context, who Actor, kind, id string, want EndpointSpec) (*store.Operation, error) {
	have, err := c.endpoint(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	tree, faults := readSpec(want)
	if id != "" && want.Connector != have.connector {
		faults.add("connector", "is not that of the %s", kind)
	}
	if err := faults.err("check the " + kind); err != nil {
		return nil, err
	}
	d, err := c.draft(ctx, have, want, tree, map[string]bool{})
	if err != nil {
		return nil, err
	}
	full, looked, err := c.o.References.resolve(mergeSecrets(d.config, d.open))
	if err != nil {
		return nil, err
	}
	masker := mask.New(append(secretTexts(d.open), looked...)...)
	return c.start(ctx, who, job{kind: kind + ".check", limit: c.o.CheckTime, masker: masker,
		do: func(ctx context.Context, progress func(int64, int64, string)) (any, func(context.Context, *store.Store, *store.Failure) error, error) {
			return checked{true}, nil, c.checkOpen(ctx, kind, want.Connector, encode(full), progress)
		}})
}

func (c *Control) checkOpen(ctx context.Context, kind, connector string, full json.RawMessage, progress func(int64, int64, string)) error {
	if kind == config.KindSource {
		k, err := c.Connector(ctx, connector)
		if err != nil {
			return err
		}
		return checkSource(ctx, opened[sluice.Source]{kind: k, config: full, outward: c.o.Outward}, progress)
	}
	k, err := c.DestinationKind(ctx, connector)
	if err != nil {
		return err
	}
	_, err = checkDestination(ctx, opened[sluice.Destination]{kind: k, config: full, outward: c.o.Outward}, progress)
	return err
}

// endpoint returns the stored endpoint of that id, an empty one for "".
func (c *Control) endpoint(ctx context.Context, kind, id string) (endpoint, error) {
	if id == "" {
		return endpoint{kind: kind}, nil
	}
	if kind == config.KindSource {
		s, err := c.store.Source(ctx, id)
		if err != nil {
			return endpoint{}, err
		}
		return ofSource(s)
	}
	d, err := c.store.Destination(ctx, id)
	if err != nil {
		return endpoint{}, err
	}
	return ofDestination(d)
}

// checkAgain starts the check of an endpoint whose configuration was changed, if
// it was checked before. That nothing more can be started now is no error: the
// next sync will tell.
func (c *Control) checkAgain(ctx context.Context, who Actor, kind, id string, setup store.SetupState) {
	if setup == store.Incomplete {
		return
	}
	if err := c.tryBroken(ctx, kind, id); err != nil {
		c.log.Warn("broken connections of a changed "+kind+" wait for their hourly try", "id", id, "error", err)
	}
	check := c.CheckSource
	if kind == config.KindDestination {
		check = c.CheckDestination
	}
	if _, err := check(ctx, who, id); err != nil {
		c.log.Info("a changed "+kind+" is not checked now", "id", id, "error", err)
	}
}

// tryBroken lets the broken connections of an endpoint run now: what was wrong
// may have been put right.
func (c *Control) tryBroken(ctx context.Context, kind, id string) error {
	using := store.ConnectionFilter{Setup: store.Broken, SourceID: id}
	if kind == config.KindDestination {
		using = store.ConnectionFilter{Setup: store.Broken, DestinationID: id}
	}
	err := c.eachConnection(ctx, using, func(row *store.ConnectionRow) error {
		if row.Paused || row.Schedule.Kind == store.Manual {
			return nil
		}
		err := c.store.UpdateStatus(ctx, row.ID, func(s *store.Status) error {
			s.NextRunAt = c.store.Now()
			return nil
		})
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	if err == nil {
		c.o.Kick()
	}
	return err
}
