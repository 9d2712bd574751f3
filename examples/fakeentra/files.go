package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// files lists the files, directories and links that this process created. They are removed at the
// end. Nothing else is overwritten or removed.
type files []string

// prepare creates the CA's certificate and a directory for a pod's volumes in dir. If dir is empty,
// it creates a temporary directory.
func (made *files) prepare(dir string, certificate []byte) (caFile, volume string, err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "fakeentra-"); err != nil {
			return "", "", fmt.Errorf("making a temporary directory (TMPDIR): %w", err)
		}
		*made = append(*made, dir)
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", err
	}
	if dir, err = filepath.Abs(dir); err != nil { // programs in other directories use the environment
		return "", "", err
	}
	caFile, volume = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "volume")
	if err := os.Mkdir(volume, 0o755); err != nil {
		return "", "", inTheWay(err, volume)
	}
	*made = append(*made, volume)
	f, err := os.OpenFile(caFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", "", inTheWay(err, caFile)
	}
	*made = append(*made, caFile)
	_, err = f.Write(certificate)
	return caFile, volume, errors.Join(err, f.Close())
}

func inTheWay(err error, path string) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s already exists: choose another -dir, or remove it if an earlier fakeentra left it", path)
	}
	return err
}

// adopt adds a directory that this process has just filled, and everything in it.
func (made *files) adopt(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if !errors.Is(err, fs.ErrNotExist) {
			*made = append(*made, path)
		}
		return err
	})
}

// remove removes one path at a time, so that directories with other content stay.
func (made *files) remove() error {
	var errs []error
	for _, path := range slices.Clone(*made) {
		if filepath.Base(path) != "..data" {
			continue
		}
		// After a rotation, the current token is in a directory that adopt has not seen.
		if current, err := os.Readlink(path); err == nil && filepath.Base(current) == current {
			errs = append(errs, made.adopt(filepath.Join(filepath.Dir(path), current)))
		}
	}
	slices.Sort(*made)
	for _, path := range slices.Backward(slices.Compact(*made)) { // a directory sorts before its content
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
