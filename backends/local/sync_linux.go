package local

import (
	"os"
	"syscall"
)

// syncData waits until what was written is on disk. Time stamps may wait.
func syncData(file *os.File) error {
	for {
		if err := syscall.Fdatasync(int(file.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
