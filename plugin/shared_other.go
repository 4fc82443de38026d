//go:build !linux

package plugin

import (
	"errors"
	"os"
)

// Elsewhere rows go over the socket.

func newShared() (*shared, *os.File, error) { return nil, nil, errors.ErrUnsupported }

func openShared() (*shared, error) { return nil, errors.ErrUnsupported }

func (s *shared) close() {}
