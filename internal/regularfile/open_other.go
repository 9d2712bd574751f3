//go:build !unix

package regularfile

import "os"

// openFlags: there is no FIFO in these file systems for open to wait on.
const openFlags = os.O_RDONLY
