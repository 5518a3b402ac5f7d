//go:build !linux

package servers

import "syscall"

// attributes is empty where the system cannot tie a child's life to its
// parent's: there a killed test run leaves its servers behind.
func attributes() *syscall.SysProcAttr { return nil }
