package servers

import "syscall"

// attributes ties a server's life to this process's, so that a killed test
// run leaves nothing behind.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
