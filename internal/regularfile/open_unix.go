//go:build unix

package regularfile

import (
	"os"
	"syscall"
)

// openFlags keep open(2) from waiting for a writer, should the path turn into
// a FIFO after it was looked at. They change nothing for a regular file.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK
