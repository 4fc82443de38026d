package egress

import (
	"path/filepath"
	"slices"
	"strings"
)

// special are folders of this machine's insides: environments of processes, among
// them the encryption key, and devices. Nothing allows them.
var special = []string{"/proc", "/sys", "/dev"}

// memory is a folder of ordinary files among the devices.
const memory = "/dev/shm"

// CheckFile returns the path of a local file, or folder, with all links followed,
// or an error of class Config and code egress_denied where the policy does not let
// users read it. Open what it returns, so that a link that changes leads nowhere
// else. A file that does not exist is judged by its path.
func (p Policy) CheckFile(path string) (real string, err error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return "", denied("read "+path, "the path", "is not valid")
	}
	if real, err = filepath.EvalSymlinks(full); err != nil {
		real = full
	}
	switch {
	case !below(real, memory) && inFolders(special, real) || below(full, "/proc"):
		return "", denied("read "+path, "the file", "is of the insides of this machine")
	case inFolders(p.deny.folders, full, real):
		return "", denied("read "+path, "the file", onDenyList)
	case inFolders(p.allow.folders, real):
	case p.preset == Strict || p.preset == Closed:
		return "", denied("read "+path, "the file", "is on this machine itself")
	}
	return real, nil
}

// inFolders reports whether one of the paths is one of the folders, or below it.
func inFolders(folders []string, paths ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		real, err := filepath.EvalSymlinks(folder)
		if err != nil {
			real = folder
		}
		return slices.ContainsFunc(paths, func(path string) bool { return below(path, folder) || below(path, real) })
	})
}

func below(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}
