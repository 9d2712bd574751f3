//go:build !unix

package tokenfile

import "os"

// openFlags: there is no FIFO in these file systems for open to wait on.
const openFlags = os.O_RDONLY
