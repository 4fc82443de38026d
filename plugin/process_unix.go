//go:build unix

package plugin

import "syscall"

// ownGroup keeps the signals of a terminal from the plugin: its host decides
// when it ends.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends what the process leader has started and left behind. It is
// called as soon as the leader is gone, before its number can belong to another.
func killGroup(leader int) { _ = syscall.Kill(-leader, syscall.SIGKILL) }

// killed reports whether a signal that no process can catch ended it.
func killed(status any) bool {
	s, ok := status.(syscall.WaitStatus)
	return ok && s.Signaled() && s.Signal() == syscall.SIGKILL
}
