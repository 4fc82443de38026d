//go:build unix

package plugin

import "syscall"

// ownGroup keeps the signals of a terminal from the plugin: its host decides
// when it ends.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killed reports whether a signal that no process can catch ended it.
func killed(status any) bool {
	s, ok := status.(syscall.WaitStatus)
	return ok && s.Signaled() && s.Signal() == syscall.SIGKILL
}
