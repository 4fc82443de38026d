package plugin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/spec"
)

// LockFile is the name of the file in a plugins folder that pins its plugins.
const LockFile = "plugins.lock"

// Found is an executable in a plugins folder. Its file name says what it is:
// sluice-source-NAME or sluice-destination-NAME.
type Found struct {
	Kind Kind
	Name string
	Path string
	Sum  string // SHA-256 of the file, as it is now, in hexadecimal; empty if it is Inert
	Pin  *Pin   // nil: nobody has trusted it yet

	Inert bool // the file may not be executed
}

// Pin is what was trusted: a file's checksum, and what the plugin said of itself.
type Pin struct {
	Sum      string    `json:"sha256"`
	Version  string    `json:"version"`
	Contract int       `json:"contract"`
	Offer    Offered   `json:"offer"`
	At       time.Time `json:"at"`
}

type lockFile struct {
	Plugins map[string]*Pin `json:"plugins"` // by file name
}

// Scan lists the plugins of a folder without starting any. A folder that does
// not exist has none. Files that may not be executed are listed, unless their names
// have an ending, as notes beside a plugin do.
func Scan(dir string) ([]Found, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list plugins: %w", err)
	}
	lock, err := readLock(dir)
	if err != nil {
		return nil, err
	}
	var all []Found
	for _, e := range entries {
		f, ok := parseName(e.Name())
		if !ok {
			continue
		}
		f.Path = filepath.Join(dir, e.Name())
		info, err := os.Stat(f.Path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		f.Pin = lock.Plugins[e.Name()]
		if f.Inert = info.Mode().Perm()&0o111 == 0; f.Inert && strings.Contains(f.Name, ".") {
			continue
		}
		if !f.Inert {
			if f.Sum, err = checksum(f.Path); err != nil {
				return nil, fmt.Errorf("list plugins: %w", err)
			}
		}
		all = append(all, f)
	}
	return all, nil
}

func parseName(file string) (f Found, ok bool) {
	file = strings.TrimSuffix(file, ".exe")
	for _, kind := range []Kind{KindSource, KindDestination} {
		if name, found := strings.CutPrefix(file, "sluice-"+string(kind)+"-"); found && name != "" {
			return Found{Kind: kind, Name: name}, true
		}
	}
	return f, false
}

func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func readLock(dir string) (lockFile, error) {
	path := filepath.Join(dir, LockFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return lockFile{}, nil
	}
	var lock lockFile
	if err == nil {
		err = json.Unmarshal(raw, &lock)
	}
	if err != nil {
		return lockFile{}, sluice.Errorf(sluice.Config, "plugin_lock", "read "+path,
			"put the file back from a backup, or delete it and trust the plugins again", "%w", err)
	}
	return lock, nil
}

// Check reports whether the file may be executed, is the one that was trusted, and
// speaks this version of the contract.
func (f Found) Check() error {
	op := "use plugin " + filepath.Base(f.Path)
	trust := "if you trust it, run `sluice connector trust " + f.Name + "`"
	switch {
	case f.Inert:
		return sluice.Errorf(sluice.Config, "plugin_not_executable", op, "run `chmod +x "+f.Path+"`", "the file is there, but it is not executable")
	case f.Pin == nil:
		return sluice.Errorf(sluice.Config, "plugin_untrusted", op, trust, "nobody has trusted this file yet (sha256 %s)", f.Sum)
	case f.Pin.Sum != f.Sum:
		return sluice.Errorf(sluice.Config, "plugin_changed", op, "find out who changed it; "+trust,
			"the file has changed since it was trusted: sha256 is %s, was %s", f.Sum, f.Pin.Sum)
	case f.Pin.Contract != ContractVersion:
		return sluice.Errorf(sluice.Config, "plugin_incompatible", op, "build the plugin again with this version of Sluice, and trust it again",
			"the plugin speaks version %d of the contract; this host speaks version %d", f.Pin.Contract, ContractVersion)
	}
	return nil
}

// Command returns base with the path of the plugin, after Check and against the
// file as it is at this moment.
func (f Found) Command(base Command) (Command, error) {
	if f.Inert {
		return base, f.Check()
	}
	sum, err := checksum(f.Path)
	if err != nil {
		return base, sluice.Errorf(sluice.Config, "plugin_start", "use plugin "+filepath.Base(f.Path), "check that the file exists and may be read", "%w", err)
	}
	f.Sum = sum
	base.Path, base.Args = f.Path, nil
	return base, f.Check()
}

// Connector returns the definition of a source in a plugins folder. Its Open
// checks and starts the plugin; title and schema are those that were pinned.
func (f Found) Connector(base Command) spec.Connector {
	return spec.Connector{Name: f.Name, Title: f.title(), Config: f.schema(),
		Open: func(ctx context.Context, config json.RawMessage) (sluice.Source, error) {
			c, err := f.Command(base)
			if err != nil {
				return nil, err
			}
			return Source(ctx, c, f.Name, config)
		}}
}

// Destination returns the definition of a destination in a plugins folder. Its
// Open checks and starts the plugin; title and schema are those that were pinned.
func (f Found) Destination(base Command) spec.Destination {
	return spec.Destination{Name: f.Name, Title: f.title(), Config: f.schema(),
		Open: func(ctx context.Context, config json.RawMessage) (sluice.Destination, error) {
			c, err := f.Command(base)
			if err != nil {
				return nil, err
			}
			return Destination(ctx, c, f.Name, config)
		}}
}

func (f Found) title() string {
	if f.Pin == nil {
		return f.Name
	}
	return f.Pin.Offer.Title
}

func (f Found) schema() json.RawMessage {
	if f.Pin == nil {
		return json.RawMessage(`{"type":"object"}`)
	}
	return f.Pin.Offer.Config
}

// Trust starts a plugin of a folder, asks what it is, and pins the file by its
// checksum in the folder's lock file. base gives the environment and limits.
func Trust(ctx context.Context, f Found, base Command) (Found, error) {
	if f.Inert {
		return f, f.Check()
	}
	base.Path, base.Args = f.Path, nil
	info, err := Inspect(ctx, base)
	if err != nil {
		return f, err
	}
	offer, ok := info.Find(f.Kind, f.Name)
	if !ok {
		return f, notOffered(info, f.Kind, f.Name)
	}
	after, err := checksum(f.Path)
	if err != nil {
		return f, fmt.Errorf("trust %s: %w", f.Name, err)
	}
	if after != f.Sum {
		return f, sluice.Errorf(sluice.Config, "plugin_changed", "trust "+f.Name, "try again", "the file changed meanwhile")
	}
	f.Pin = &Pin{Sum: f.Sum, Version: info.Version, Contract: info.Contract, Offer: offer, At: time.Now().UTC().Truncate(time.Second)}
	return f, writePin(f)
}

// writePin replaces the lock file by one with f's pin.
func writePin(f Found) error {
	dir := filepath.Dir(f.Path)
	lock, err := readLock(dir)
	if err != nil {
		return err
	}
	if lock.Plugins == nil {
		lock.Plugins = map[string]*Pin{}
	}
	lock.Plugins[filepath.Base(f.Path)] = f.Pin
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(lock); err != nil {
		return fmt.Errorf("pin %s: %w", f.Name, err)
	}
	temp, err := os.CreateTemp(dir, LockFile+".")
	if err != nil {
		return fmt.Errorf("pin %s: %w", f.Name, err)
	}
	_, err = temp.Write(raw.Bytes())
	err = errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), filepath.Join(dir, LockFile))
	}
	if err != nil {
		return fmt.Errorf("pin %s: %w", f.Name, errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}
