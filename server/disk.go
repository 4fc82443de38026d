package server

import "syscall"

// disk returns the bytes that a file system has, and those that are free for us.
func disk(path string) (total, free int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, 0, err //nolint:wrapcheck // the caller says what was looked at
	}
	return int64(s.Blocks) * int64(s.Bsize), int64(s.Bavail) * int64(s.Bsize), nil //nolint:gosec // sizes of file systems fit
}
