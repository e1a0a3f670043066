//go:build unix && !linux

package cluster

import "syscall"

// diesWithParent can promise less than on Linux: a child stays if this process is killed.
func diesWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
