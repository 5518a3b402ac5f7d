//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockFolder keeps a second process from working on the same data: the
// stand-ins would overwrite each other's files. The lock ends with the file or
// the process.
func lockFolder(folder string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close() // the lock's failure is the one to tell
		return nil, fmt.Errorf("the data folder %s is in use by another process", folder)
	}
	return file, nil
}
