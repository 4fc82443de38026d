package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sluicehq/sluice/keyring"
	"github.com/sluicehq/sluice/store"
)

// RewrapAll seals every stored secret with the newest data key, and returns how
// many objects had others. Killed in between, it is simply run again: the older
// keys open what is left.
func (c *Control) RewrapAll(ctx context.Context) (changed int, err error) {
	if err := c.rewrapSalt(ctx); err != nil {
		return 0, err
	}
	err = store.Each(func(p store.Page) ([]store.Source, string, error) {
		return c.store.ListSources(ctx, store.EndpointFilter{}, p)
	}, func(v *store.Source) error {
		n, err := c.rewrapSource(ctx, v.ID)
		changed += n
		return err
	})
	if err != nil {
		return changed, err
	}
	err = store.Each(func(p store.Page) ([]store.Destination, string, error) {
		return c.store.ListDestinations(ctx, store.EndpointFilter{}, p)
	}, func(v *store.Destination) error {
		n, err := c.rewrapDestination(ctx, v.ID)
		changed += n
		return err
	})
	return changed, err
}

// again repeats change while others change the same object; one that is gone
// needs no change.
func again(change func() error) error {
	for {
		err := change()
		switch {
		case errors.Is(err, store.ErrConflict):
			continue
		case errors.Is(err, store.ErrNotFound):
			return nil
		}
		return err
	}
}

func (c *Control) rewrapSource(ctx context.Context, id string) (n int, err error) {
	err = again(func() error {
		s, err := c.store.Source(ctx, id)
		if err != nil {
			return err
		}
		secrets, changed, err := RewrapSecrets(c.o.Keys, s.ID, s.Secrets)
		if err != nil || !changed {
			return err
		}
		s.Secrets, n = secrets, 1
		return c.store.UpdateSource(ctx, s)
	})
	return n, err
}

func (c *Control) rewrapDestination(ctx context.Context, id string) (n int, err error) {
	err = again(func() error {
		d, err := c.store.Destination(ctx, id)
		if err != nil {
			return err
		}
		secrets, changed, err := RewrapSecrets(c.o.Keys, d.ID, d.Secrets)
		if err != nil || !changed {
			return err
		}
		d.Secrets, n = secrets, 1
		return c.store.UpdateDestination(ctx, d)
	})
	return n, err
}

func (c *Control) rewrapSalt(ctx context.Context) error {
	return again(func() error {
		kept, err := c.store.Setting(ctx, saltKey)
		if err != nil {
			return err
		}
		var sealed string
		if err := json.Unmarshal(kept.Value, &sealed); err != nil {
			return fmt.Errorf("read the salt of hashed columns: %w", err)
		}
		text, changed, err := c.o.Keys.Rewrap(sealed, keyring.Bind("setting", saltKey))
		if err != nil || !changed {
			return err
		}
		kept.Value = encode(text)
		return c.store.SetSetting(ctx, kept)
	})
}
