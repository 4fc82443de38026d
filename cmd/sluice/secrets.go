package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/keyring"
	"github.com/sluicehq/sluice/store"
)

func (a *app) secretsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "secrets", Short: "Look after the keys that secrets are sealed with", Args: known, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.secretsRotateCommand(), a.secretsKeysCommand())
	return cmd
}

func (a *app) secretsRotateCommand() *cobra.Command {
	var s settings
	var newKey bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Seal every secret with a new data key",
		Long: `Makes a new data key, and seals every stored secret with it. Data keys that were
replaced more than an hour ago are forgotten; until then a server may still be
about to store what it has sealed with one. So, if a data key became known, rotate
again after an hour. Servers and workers may go on running. Killed in between, it
is simply run again.

With --new-encryption-key the data keys are wrapped by another key, too: it is
read from SLUICE_NEW_ENCRYPTION_KEY. Give it to every process as
SLUICE_ENCRYPTION_KEY before they start again.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.openPlatform(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer p.close()
			return p.rotate(cmd.Context(), newKey)
		},
	}
	s.storeFlags(a, cmd)
	cmd.Flags().BoolVar(&newKey, "new-encryption-key", false, "wrap the data keys by the key in SLUICE_NEW_ENCRYPTION_KEY")
	return cmd
}

// keyGrace is how long a data key is kept that seals no more: longer than any
// change of an object takes from sealing its secrets to storing them.
const keyGrace = time.Hour

// rotate changes the data keys: a new one seals, all is sealed with it, and then
// those go that nothing can be sealed with any more.
func (p *platform) rotate(ctx context.Context, newKey bool) error {
	err := p.replaceKeys(ctx, func(stored *keyring.Keyring) (*keyring.Keyring, error) { return stored.Rotated(p.store.Now()) })
	if err != nil {
		return err
	}
	c := p.newControl(nil, nil)
	defer c.Close()
	n, err := c.RewrapAll(ctx)
	if err != nil {
		return err
	}
	err = p.replaceKeys(ctx, func(stored *keyring.Keyring) (*keyring.Keyring, error) {
		return stored.Without(stored.Superseded(p.store.Now().Add(-keyGrace))...)
	})
	if err != nil {
		return err
	}
	p.app.say("The secrets of %d sources and destinations are sealed with a new data key.", n)
	if newKey {
		return p.wrapAnew(ctx)
	}
	return nil
}

// replaceKeys changes the stored data keys, and uses the new ones. Of two that do
// so at once, one is refused: a data key that is overwritten would be lost.
func (p *platform) replaceKeys(ctx context.Context, change func(stored *keyring.Keyring) (*keyring.Keyring, error)) error {
	stored, version, err := p.storedKeys(ctx)
	if err != nil {
		return err
	}
	next, err := change(stored)
	if err != nil {
		return keyError(err)
	}
	if err := p.keepKeys(ctx, next, version); err != nil {
		return fmt.Errorf("store the data keys: %w", err)
	}
	p.keys.Replace(next)
	return nil
}

func (p *platform) storedKeys(ctx context.Context) (stored *keyring.Keyring, version int64, err error) {
	kept, err := p.store.Setting(ctx, keysetSetting)
	if err != nil {
		return nil, 0, err
	}
	var wrapped string
	if err := json.Unmarshal(kept.Value, &wrapped); err != nil {
		return nil, 0, fmt.Errorf("read the data keys: %w", err)
	}
	if stored, err = p.keys.Reload(wrapped); err != nil {
		return nil, 0, keyError(err)
	}
	return stored, kept.Version, nil
}

// wrapAnew wraps the data keys by another encryption key.
func (p *platform) wrapAnew(ctx context.Context) error {
	text := p.app.env("NEW_ENCRYPTION_KEY", "")
	if text == "" {
		return usageError{fmt.Errorf("--new-encryption-key: SLUICE_NEW_ENCRYPTION_KEY is not set; `openssl rand -base64 32` makes a key")}
	}
	key, err := keyring.ParseKey(text)
	if err != nil {
		return keyError(err)
	}
	stored, version, err := p.storedKeys(ctx)
	if err != nil {
		return err
	}
	wrapped, err := stored.WrappedWith(key)
	if err != nil {
		return keyError(err)
	}
	value, err := json.Marshal(wrapped)
	if err != nil {
		return err
	}
	if err := p.store.SetSetting(ctx, &store.Setting{Key: keysetSetting, Value: value, Version: version}); err != nil {
		return err
	}
	p.app.say("From now on the encryption key is the one of SLUICE_NEW_ENCRYPTION_KEY (%s).", key.Fingerprint())
	return nil
}

func (a *app) secretsKeysCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "keys", Short: "Show the ages of the data keys", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.openPlatform(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer p.close()
			t := newTable("key", "made", "use")
			for _, k := range p.keys.Keys() {
				use := "opens only"
				if k.Primary {
					use = "seals"
				}
				t.add(fmt.Sprint(k.ID), k.CreatedAt.UTC().Format("2006-01-02 15:04 UTC"), use)
			}
			t.write(a.out, a.style(a.out))
			return nil
		},
	}
	s.storeFlags(a, cmd)
	return cmd
}
