//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package rest

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks the open file, for as long as it is open; false: another has it.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}
