//go:build unix

package regularfile

import (
	"os"
	"syscall"
)

// openFlags keep open(2) from waiting for a writer if the path became a FIFO after the check. They
// make no difference for a regular file.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK
