package capture

import (
	"errors"
	"fmt"
)

// Config is what an operator can say about tcp-copy. Zero numbers mean the
// defaults given with each field.
type Config struct {
	Directory string  // where the files go, one folder per replica; its parent must exist
	Share     float64 // of the matching requests, 0 to 1; 0 records nothing
	Apps      []string
	Routes    []string // globs over the decoded path: * within a segment, ** across; none = all

	// RedactHeaders are header names, in any case, whose values never leave
	// the request, besides those that carry credentials by their nature. Query
	// parameters of the same names are treated alike, besides those whose names
	// end as those of credentials do (parameters.go).
	RedactHeaders []string

	BodyLimit int   // bytes kept of each body; 64 KiB
	FileSize  int64 // bytes after which a new file is begun; 64 MiB, at most a quarter of DiskLimit
	DiskLimit int64 // bytes that the folder's captures may hold, the oldest go first; 1 GiB

	RingExchanges int // exchanges that may wait for the disk; 1,024
	RingBytes     int // bytes that they may hold together; 32 MiB, and as much again while it is written
}

// smallestDisk is the least DiskLimit that leaves room for rotation.
const smallestDisk = 1 << 20

func (c Config) withDefaults() Config {
	c.BodyLimit = orDefault(c.BodyLimit, 64<<10)
	c.DiskLimit = orDefault(c.DiskLimit, 1<<30)
	c.FileSize = min(orDefault(c.FileSize, 64<<20), c.DiskLimit/4)
	c.RingExchanges = orDefault(c.RingExchanges, 1024)
	c.RingBytes = orDefault(c.RingBytes, 32<<20)
	return c
}

func orDefault[N int | int64](value, fallback N) N {
	if value == 0 {
		return fallback
	}
	return value
}

func (c Config) validate() error {
	var faults []error
	if c.Directory == "" {
		faults = append(faults, errors.New("a directory is needed"))
	}
	if !(c.Share >= 0 && c.Share <= 1) { // written so that NaN fails
		faults = append(faults, errors.New("the sampled share must lie between 0 and 1"))
	}
	if c.DiskLimit < smallestDisk {
		faults = append(faults, fmt.Errorf("the disk limit must be at least %d bytes", smallestDisk))
	}
	if c.BodyLimit < 0 || c.FileSize < 0 || c.RingExchanges < 0 || c.RingBytes < 0 {
		faults = append(faults, errors.New("sizes cannot be negative"))
	}
	return errors.Join(faults...)
}
