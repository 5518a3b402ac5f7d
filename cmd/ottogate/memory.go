package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// tuneMemory trades a few megabytes for a tenth of the CPU, and stays below
// the limit of the control group, so that the collector works harder before
// the kernel kills. GOGC and GOMEMLIMIT in the environment win.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if limit, ok := cgroupLimit("/sys/fs/cgroup/memory.max"); ok && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
}

// cgroupLimit reads the memory limit of a version 2 control group in bytes.
func cgroupLimit(path string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return limit, err == nil && limit > 0
}
