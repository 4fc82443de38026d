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
	if err != nil {
		return changed, err
	}
	n, err := c.rewrapLinks(ctx)
	return changed + n, err
}

// rewrapLinks is RewrapAll of trackers and channels.
func (c *Control) rewrapLinks(ctx context.Context) (changed int, err error) {
	trackers, err := c.store.Trackers(ctx)
	if err != nil {
		return 0, err
	}
	for i := range trackers {
		n, err := rewrapped(ctx, c, trackers[i].ID, c.store.Tracker, func(t *store.Tracker) *map[string]string { return &t.Secrets }, c.store.UpdateTracker)
		if changed += n; err != nil {
			return changed, err
		}
	}
	channels, err := c.store.Channels(ctx)
	if err != nil {
		return changed, err
	}
	for i := range channels {
		n, err := rewrapped(ctx, c, channels[i].ID, c.store.Channel, func(h *store.Channel) *map[string]string { return &h.Secrets }, c.store.UpdateChannel)
		if changed += n; err != nil {
			return changed, err
		}
	}
	return changed, nil
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

// rewrapped seals the secrets of one object again, and returns 1 if that changes it.
func rewrapped[T any](ctx context.Context, c *Control, id string, get func(context.Context, string) (*T, error), secretsOf func(*T) *map[string]string,
	update func(context.Context, *T) error) (n int, err error) {
	err = again(func() error {
		v, err := get(ctx, id)
		if err != nil {
			return err
		}
		secrets, changed, err := RewrapSecrets(c.o.Keys, id, *secretsOf(v))
		if err != nil || !changed {
			return err
		}
		*secretsOf(v), n = secrets, 1
		return update(ctx, v)
	})
	return n, err
}

func (c *Control) rewrapSource(ctx context.Context, id string) (n int, err error) {
	return rewrapped(ctx, c, id, c.store.Source, func(s *store.Source) *map[string]string { return &s.Secrets }, c.store.UpdateSource)
}

func (c *Control) rewrapDestination(ctx context.Context, id string) (n int, err error) {
	return rewrapped(ctx, c, id, c.store.Destination, func(d *store.Destination) *map[string]string { return &d.Secrets }, c.store.UpdateDestination)
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

// KeyState is what the keys of secrets are.
type KeyState struct {
	Keys     []keyring.DataKey // oldest first; the last one seals
	Replaced bool              // this process must be started again with the installation's new encryption key
}

// KeyState looks at the keys as they are stored now.
func (c *Control) KeyState() (KeyState, error) {
	err := c.o.Keys.Current()
	s := KeyState{Keys: c.o.Keys.Keys(), Replaced: errors.Is(err, keyring.ErrReplaced)}
	if s.Replaced {
		err = nil
	}
	return s, err
}
