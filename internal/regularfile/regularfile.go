// Package regularfile reads files that something else may replace, fill or swap for something that is no file.
package regularfile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// MaxSize bounds what is read: 1 MiB. What the library reads, tokens and certificates, has a few kilobytes.
const MaxSize = 1 << 20

// Read returns the content of the regular file that path leads to. Anything else is refused by what it is, without being
// waited for, and so is a file larger than MaxSize. Errors do not hold content.
func Read(path string) ([]byte, error) {
	// Looked at before it is opened, for opening a device may act on it and
	// opening a socket tells nothing; and again after, for the path may
	// lead elsewhere by then.
	if err := regular(os.Stat(path)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if err := regular(f.Stat()); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, err
	}
	if len(content) > MaxSize {
		return nil, fmt.Errorf("larger than the limit of 1 MiB (%d bytes)", MaxSize)
	}
	return content, nil
}

// regular returns why what was looked at is not a regular file, or could not be looked at.
func regular(info fs.FileInfo, err error) error {
	if err != nil {
		return err
	}
	kind := "of another kind"
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	}
	return fmt.Errorf("is %s: give the path of a regular file", kind)
}
