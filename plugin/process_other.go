//go:build !unix

package plugin

import "syscall"

func ownGroup() *syscall.SysProcAttr { return nil }

func killGroup(int) {}

func killed(any) bool { return false }
