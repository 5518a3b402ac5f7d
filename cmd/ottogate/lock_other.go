//go:build !unix

package main

import (
	"os"
	"path/filepath"
)

// lockFolder only makes the file here: the embedded store, which is opened
// last, refuses a second process by its own lock.
func lockFolder(folder string) (*os.File, error) {
	return os.OpenFile(filepath.Join(folder, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
}
