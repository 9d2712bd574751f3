// Package regularfile reads files that another program may replace, grow, or swap for something
// other than a regular file.
package regularfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// MaxSize is the largest file that Read accepts: 1 MiB. The tokens and certificates that this
// library reads have a few kilobytes.
const MaxSize = 1 << 20

// Read returns the content of the regular file at path, following links. It refuses anything else
// by its kind, without blocking, and files larger than MaxSize. Its errors hold neither content nor
// the path, which the caller shows with redact.Path.
func Read(path string) ([]byte, error) {
	content, err := read(path)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return content, err
}

func read(path string) ([]byte, error) {
	// Check before opening, because opening a device may act on it, and opening a socket fails
	// without a useful error. Check again after that, because the path may have changed.
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

// regular returns an error if info is not of a regular file, and err if that is not nil.
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
