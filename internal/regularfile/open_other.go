//go:build !unix

package regularfile

import "os"

// openFlags need nothing special here: these file systems have no FIFO that open could block on.
const openFlags = os.O_RDONLY
