package cluster

import "syscall"

// diesWithParent has the kernel kill a child when this process ends, however it ends. A group of its own keeps
// a terminal's interrupt from it.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
