package plugin

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// newShared returns memory to share, with the file that a plugin maps it from.
func newShared() (*shared, *os.File, error) {
	fd, err := unix.MemfdCreate("sluice", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "shared memory")
	if err := unix.Ftruncate(fd, sharedSize); err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("ftruncate", err), file.Close())
	}
	// Whoever made it smaller would end the other side with SIGBUS.
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("fcntl", err), file.Close())
	}
	s, err := mapShared(fd)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return s, file, nil
}

// openShared maps, in a plugin, the memory that its host shares.
func openShared() (*shared, error) {
	s, err := mapShared(sharedFile)
	if err == nil {
		err = os.NewSyscallError("close", unix.Close(sharedFile))
	}
	return s, err
}

func mapShared(fd int) (*shared, error) {
	mem, err := unix.Mmap(fd, 0, sharedSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return &shared{mem: mem}, nil
}

// close unmaps the memory. It may be called more than once, and on nil.
func (s *shared) close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mem != nil {
		_ = unix.Munmap(s.mem) // it is one of ours, and mapped
		s.mem = nil
	}
}
