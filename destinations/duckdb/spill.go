package duckdb

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// spillSuffix follows the file's name in those of folders for what does not fit
// in memory; then come the process and a number. Each instance has a folder of
// its own, which DuckDB makes when it needs it and removes at the end: a reader
// of the log spills before anyone can tell its files from those of a killed
// process.
const spillSuffix = ".tmp"

func spillFolder(path string) string {
	return fmt.Sprintf("%s%s-%d-%d", path, spillSuffix, os.Getpid(), time.Now().UnixNano())
}

// removeSpilled removes what killed processes left in their folders beside the
// file, and spares mine. The caller has the file's lock.
func removeSpilled(path, mine string) {
	beside, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return
	}
	for _, e := range beside {
		folder := filepath.Join(filepath.Dir(path), e.Name())
		number, ours := strings.CutPrefix(e.Name(), filepath.Base(path)+spillSuffix)
		if !ours || !e.IsDir() || folder == mine || number != "" && !abandoned(number) {
			continue
		}
		if err := empty(folder); err != nil {
			slog.Warn("cannot remove files of an ended process", "folder", folder, "error", err)
		}
	}
}

// abandoned reports whether the folder with that number belongs to no process
// that lives: one that ends gives the file's lock up first, and its folder then.
func abandoned(number string) bool {
	owner, _, ok := strings.Cut(strings.TrimPrefix(number, "-"), "-")
	pid, err := strconv.Atoi(owner)
	if !ok || err != nil || pid <= 0 {
		return false
	}
	if pid == os.Getpid() {
		return true // of a file of this process that is closed, or of a namesake
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return true
	}
	err = p.Signal(syscall.Signal(0))
	return err != nil && !errors.Is(err, os.ErrPermission)
}

// empty removes DuckDB's files from the folder, and the folder if nothing else
// is in it.
func empty(folder string) error {
	left, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	others := false
	for _, e := range left {
		if !strings.HasPrefix(e.Name(), "duckdb_temp_") {
			others = true
			continue
		}
		if err := os.Remove(filepath.Join(folder, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if others {
		return nil
	}
	return os.Remove(folder)
}
