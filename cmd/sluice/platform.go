package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/destinations"
	"github.com/sluicehq/sluice/keyring"
	"github.com/sluicehq/sluice/plugin"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/spec"
	"github.com/sluicehq/sluice/store"
)

// A platform is what the processes of the platform have in common: the metadata
// store, the keys of secrets, and what operators may do.
type platform struct {
	app      *app
	settings settings
	url      string // of the store
	store    *store.Store
	keys     *keyring.Keyring
	egress   egress.Policy
	madeKey  string // the file of the key that was made just now; "": none was
}

// openPlatform opens the metadata store and the keys. Its error says what to
// change, in one line.
func (a *app) openPlatform(ctx context.Context, s settings) (*platform, error) {
	p := &platform{app: a, settings: s}
	var err error
	if p.egress, err = s.egress(); err != nil {
		return nil, err
	}
	if p.url, err = s.storeURL(); err != nil {
		return nil, err
	}
	if p.store, err = store.Open(ctx, p.url, store.Options{}); err != nil {
		return nil, err
	}
	if err := p.openKeys(ctx); err != nil {
		return nil, errors.Join(err, p.store.Close())
	}
	return p, nil
}

func (p *platform) close() {
	p.app.close("the metadata store", p.store)
}

// keysetSetting names the setting that holds the data keys, wrapped by the
// encryption key.
const keysetSetting = "keyset"

// openKeys loads the data keys, and makes them at the first start.
func (p *platform) openKeys(ctx context.Context) error {
	for {
		wrapped, err := p.wrappedKeys(ctx)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		key, made, ferr := p.settings.key().Find(err != nil)
		if ferr != nil {
			return keyError(ferr)
		}
		if made {
			p.madeKey = p.settings.key().Default
		}
		if err == nil {
			if p.keys, err = keyring.Load(key, wrapped); err != nil {
				return keyError(err)
			}
			p.keys.Follow(func() (string, error) { return p.wrappedKeys(context.Background()) })
			return nil
		}
		fresh, err := keyring.New(key, p.store.Now())
		if err != nil {
			return keyError(err)
		}
		if err := p.keepKeys(ctx, fresh, 0); err != nil && !errors.Is(err, store.ErrConflict) { // of several processes one makes them
			return err
		}
	}
}

func (p *platform) wrappedKeys(ctx context.Context) (wrapped string, err error) {
	kept, err := p.store.Setting(ctx, keysetSetting)
	if err != nil {
		return "", err
	}
	return wrapped, json.Unmarshal(kept.Value, &wrapped)
}

// keepKeys stores the data keys, if those stored are still of that version.
func (p *platform) keepKeys(ctx context.Context, keys *keyring.Keyring, version int64) error {
	wrapped, err := keys.Wrapped()
	if err != nil {
		return err
	}
	value, err := json.Marshal(wrapped)
	if err != nil {
		return err
	}
	return p.store.SetSetting(ctx, &store.Setting{Key: keysetSetting, Value: value, Version: version})
}

func keyError(err error) error {
	if _, ok := errors.AsType[*sluice.Error](err); ok {
		return err
	}
	return sluice.Errorf(sluice.Config, "encryption_key", "open the keys of secrets", "give the key that the installation has always had, by SLUICE_ENCRYPTION_KEY or --encryption-key-file; without it the secrets that are stored cannot be read", "%w", err)
}

// key says where the encryption key is. With a database elsewhere, a key in the
// data folder of one machine would be no good to the others.
func (s *settings) key() keyring.Where {
	w := keyring.Where{Value: s.encryptionKey, File: s.keyFile}
	if s.databaseURL == "" {
		w.Default = filepath.Join(s.dataDir, "encryption.key")
	}
	return w
}

// egress returns the outbound policy. What the platform keeps for itself, the
// encryption key above all, is not for sources that read files.
func (s *settings) egress() (egress.Policy, error) {
	preset := egress.Default
	if s.egressStrict {
		preset = egress.Strict
	}
	deny := slices.Clone(s.egressDeny)
	own := []string{s.dataDir, s.keyFile, s.tlsKey}
	if path, ok := strings.CutPrefix(s.databaseURL, "sqlite:"); ok {
		own = append(own, path, path+"-wal", path+"-shm")
	}
	for _, path := range own {
		if path == "" {
			continue
		}
		full, err := filepath.Abs(path)
		if err != nil {
			return egress.Policy{}, fmt.Errorf("find %s: %w", path, err)
		}
		deny = append(deny, full)
	}
	return egress.Parse(preset, s.egressAllow, deny)
}

// newControl returns what operators may do, with the connectors at hand. tracking
// is nil where nobody decides about incidents.
func (p *platform) newControl(kick func(), tracking control.Tracking) *control.Control {
	return control.New(control.Options{
		Tracking: tracking,
		Outward:  func(ctx context.Context) context.Context { return egress.With(ctx, p.egress) },
		Store:    p.store, Keys: p.keys, Catalogue: p.catalogue, Kick: kick,
		References: control.References{Env: p.app.lookup, Names: []string{"SLUICE_SECRET_*"}, Dirs: p.settings.secretDirs()},
		Policy:     control.Policy{ForbidCrossRegion: !p.settings.crossRegion},
		Timing: func(s store.Schedule, windows []store.Window) error {
			_, err := scheduler.TimingOf(s)
			_, werr := scheduler.BlackoutsOf(windows)
			return errors.Join(err, werr)
		},
	})
}

// catalogue lists the connectors and destinations for operators.
func (p *platform) catalogue(context.Context) (control.Catalogue, error) {
	c, err := p.app.catalogWith(plugin.Command{Env: plugin.Environment(p.app.environ), Egress: p.egress})
	if err != nil {
		return control.Catalogue{}, err
	}
	all := control.Catalogue{Connectors: kindsOf(c.connectors, plugin.KindSource, c.found), Destinations: kindsOf(c.destinations, plugin.KindDestination, c.found)}
	validated(all.Connectors, connectors.Builtin())
	validated(all.Destinations, destinations.Builtin())
	return all, nil
}

// validated lets configurations of what is built in be checked beyond their
// schema: opening, which does no I/O, in this process.
func validated[T io.Closer](kinds []control.Kind[T], builtin []spec.Definition[T]) {
	for i := range kinds {
		d, ok := spec.Find(builtin, kinds[i].Name)
		if !ok || kinds[i].Plugin {
			continue
		}
		kinds[i].Validate = func(settings json.RawMessage) error {
			opened, err := d.Open(context.Background(), settings)
			if err != nil {
				return err
			}
			return opened.Close()
		}
	}
}

// kindsOf says of each definition where it comes from, in the words of entries.
func kindsOf[T any](all []spec.Definition[T], kind plugin.Kind, found []plugin.Found) []control.Kind[T] {
	list := entries(all, kind, found)
	kinds := make([]control.Kind[T], len(all))
	for i, d := range all {
		kinds[i] = control.Kind[T]{Definition: d, Version: list[i].Version, Plugin: list[i].Sum != "", Untrusted: !list[i].Trusted}
	}
	return kinds
}

// runner returns what makes connections ready to run.
func (p *platform) runner(c *control.Control) scheduler.Runner {
	return &runner{app: p.app, control: c, egress: p.egress, salt: c.Salt}
}

// newLogger returns the log of a process that stays: lines for people or for
// machines, to standard error.
func (a *app) newLogger(format string, to io.Writer) (*slog.Logger, error) {
	level := slog.LevelInfo
	if a.verbose {
		level = slog.LevelDebug
	}
	switch o := (&slog.HandlerOptions{Level: level}); format {
	case "text":
		return slog.New(slog.NewTextHandler(to, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(to, o)), nil
	}
	return nil, usageError{fmt.Errorf("--log-format: %q is neither text nor json", format)}
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
