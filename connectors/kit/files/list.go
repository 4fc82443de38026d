package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
)

// A File is one that can be opened. Its Fingerprint changes whenever its content
// does, as far as the system tells: size and time of a local file; of a URL it
// is only known once it is open.
type File struct {
	Name        string // for people and FileColumn: without credentials
	Fingerprint string
	Size        int64 // 0: not known
	Modified    int64 // microseconds since 1970; 0: not known
	location    string
	remote      bool
}

// IsURL reports whether a path is one that is fetched by HTTP.
func IsURL(path string) bool {
	scheme, _, ok := strings.Cut(path, "://")
	return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

// List returns the files that a path names, in the order of their names. A path
// is a file, a pattern with *, ?, [] and ** (any folders), or a URL. Where a pattern
// begins must be a folder that the outbound policy allows.
func (c *Client) List(ctx context.Context, path string) ([]File, error) {
	if IsURL(path) {
		u, err := url.Parse(path)
		if err != nil || u.Host == "" {
			return nil, sluice.Errorf(sluice.Config, "file_url", "read the address", "give a whole address, such as https://example.com/data.csv", "the address is not valid")
		}
		shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
		return []File{{Name: shown.String(), location: path, remote: true}}, nil
	}
	path = strings.TrimPrefix(path, "file://")
	if _, err := c.policy.CheckFile(fixed(path)); err != nil {
		return nil, err
	}
	if !strings.ContainsAny(path, "*?[") {
		f, err := localFile(path)
		if err != nil {
			return nil, err
		}
		return []File{f}, nil
	}
	names, err := glob(ctx, path)
	if err != nil {
		return nil, err
	}
	var found []File
	for _, name := range names {
		f, err := localFile(name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errFolder) {
			continue // it went away, or is a folder that the pattern names too
		}
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	return found, nil
}

var errFolder = errors.New("it is a folder")

func localFile(name string) (File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return File{}, localError("open "+name, err)
	}
	if info.IsDir() {
		return File{}, &sluice.Error{Class: sluice.Config, Code: "file_is_folder", Op: "open " + name, Err: errFolder,
			Hint: "name the files in it by a pattern, such as " + filepath.Join(name, "*.csv")}
	}
	return fileOf(name, info), nil
}

func fileOf(name string, info fs.FileInfo) File {
	return File{Name: name, location: name, Size: info.Size(), Modified: info.ModTime().UnixMicro(),
		Fingerprint: fmt.Sprintf("%d-%d", info.Size(), info.ModTime().UnixNano())}
}

// localError says what to do about an error of the file system.
func localError(op string, err error) error {
	e := &sluice.Error{Class: sluice.Transient, Code: "file_read", Op: op, Err: plain(err), Hint: "see whether the disk or network share is well"}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Class, e.Code, e.Hint = sluice.Config, "file_not_found", "correct the path; a relative one starts at the folder where sluice runs"
	case errors.Is(err, fs.ErrPermission):
		e.Class, e.Code, e.Hint = sluice.Config, "file_permission", "let the user that runs sluice read the file and its folder"
	}
	return e
}

// plain takes the operation and path off a file system's error: the message has
// them already.
func plain(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// glob returns the files that match a pattern, sorted, each once. Symbolic
// links to folders are not followed by **.
func glob(ctx context.Context, pattern string) ([]string, error) {
	segments := strings.Split(filepath.ToSlash(filepath.Clean(pattern)), "/")
	root := ""
	for len(segments) > 1 && !strings.ContainsAny(segments[0], "*?[") {
		root += segments[0] + "/"
		segments = segments[1:]
	}
	for _, s := range segments {
		if _, err := filepath.Match(s, "x"); err != nil {
			return nil, sluice.Errorf(sluice.Config, "file_pattern", "read the pattern "+pattern, "close every [ with a ]; write \\[ for the character itself", "the pattern is not valid")
		}
	}
	if root == "" {
		root = "."
	}
	var names []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if name == filepath.Clean(root) || errors.Is(err, fs.ErrPermission) {
				return localError("list "+name, err)
			}
			return nil //nolint:nilerr // it went away
		}
		rel, relErr := filepath.Rel(root, name)
		if relErr != nil || rel == "." {
			return nil //nolint:nilerr // the root itself
		}
		parts := strings.Split(filepath.ToSlash(rel), "/")
		if d.IsDir() {
			if !leadsOn(segments, parts) {
				return fs.SkipDir
			}
			return nil
		}
		if matches(segments, parts) {
			names = append(names, name)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// fixed is the part of a path before its first pattern.
func fixed(path string) string {
	if at := strings.IndexAny(path, "*?["); at >= 0 {
		return filepath.Dir(path[:at] + "x")
	}
	return path
}

// matches reports whether the parts of a path match a pattern's segments, where
// ** is any number of folders.
func matches(segments, parts []string) bool {
	for len(segments) > 0 {
		if segments[0] == "**" {
			for i := range len(parts) + 1 {
				if matches(segments[1:], parts[i:]) {
					return true
				}
			}
			return false
		}
		if len(parts) == 0 {
			return false
		}
		if ok, _ := filepath.Match(segments[0], parts[0]); !ok {
			return false
		}
		segments, parts = segments[1:], parts[1:]
	}
	return len(parts) == 0
}

// leadsOn reports whether files in a folder can match.
func leadsOn(segments, folder []string) bool {
	for i, part := range folder {
		if i >= len(segments)-1 && segments[min(i, len(segments)-1)] != "**" {
			return false
		}
		if segments[i] == "**" {
			return true
		}
		if ok, _ := filepath.Match(segments[i], part); !ok {
			return false
		}
	}
	return true
}
