package main

import (
	"context"
	"encoding/json"
	"fmt"

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
		Long: `Makes a new data key, seals every stored secret with it, and forgets the old
ones. Servers and workers may go on running. Killed in between, it is simply run
again.

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

// rotate changes the data keys: a new one seals, all is sealed with it, and then
// the old ones go.
func (p *platform) rotate(ctx context.Context, newKey bool) error {
	old := p.keys.Keys()
	next, err := p.keys.Rotated(p.store.Now())
	if err != nil {
		return err
	}
	if err := p.replaceKeys(ctx, next); err != nil {
		return err
	}
	c := p.newControl(nil)
	defer c.Close()
	n, err := c.RewrapAll(ctx)
	if err != nil {
		return err
	}
	var ids []uint32
	for _, k := range old {
		ids = append(ids, k.ID)
	}
	last, err := p.keys.Without(ids...)
	if err != nil {
		return err
	}
	if err := p.replaceKeys(ctx, last); err != nil {
		return err
	}
	p.app.say("The secrets of %d sources and destinations are sealed with a new data key.", n)
	if newKey {
		return p.wrapAnew(ctx)
	}
	return nil
}

// replaceKeys stores the keys in the place of those that are used, and uses them.
func (p *platform) replaceKeys(ctx context.Context, next *keyring.Keyring) error {
	kept, err := p.store.Setting(ctx, keysetSetting)
	if err != nil {
		return err
	}
	if err := p.keepKeys(ctx, next, kept.Version); err != nil {
		return fmt.Errorf("store the data keys: %w", err)
	}
	p.keys.Replace(next)
	return nil
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
	wrapped, err := p.keys.WrappedWith(key)
	if err != nil {
		return keyError(err)
	}
	value, err := json.Marshal(wrapped)
	if err != nil {
		return err
	}
	kept, err := p.store.Setting(ctx, keysetSetting)
	if err != nil {
		return err
	}
	if err := p.store.SetSetting(ctx, &store.Setting{Key: keysetSetting, Value: value, Version: kept.Version}); err != nil {
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
