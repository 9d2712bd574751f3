package tokenfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/internal/regularfile"
)

// leeway is how long after its expiry a token is still returned, because this machine's clock may
// differ from Entra ID's, which decides.
const leeway = 5 * time.Minute

// pauses are the delays before each attempt to read. The kubelet's swap takes microseconds: it hit
// 42 of 5.2 million opens, and an immediate retry cured each. The longer pauses are for writers
// other than the kubelet.
var pauses = [...]time.Duration{0, 10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 80 * time.Millisecond}

// Source reads a federated token from a file. Create one with [New]. It is safe for concurrent use
// and keeps only the path.
type Source struct {
	path  string
	reads chan struct{} // one element per read in progress
}

// maxReads is how many reads of the file may hang before no more are started. Each one holds a
// thread.
const maxReads = 4

// New returns the Source for the file at path, usually the value of AZURE_FEDERATED_TOKEN_FILE. It
// does not access the file, which may appear later.
func New(path string) *Source { return &Source{path: path, reads: make(chan struct{}, maxReads)} }

// String returns the path, quoted to fit on one line, for logs and errors. It does not show a path
// that looks like a token.
func (s *Source) String() string {
	if redact.HoldsToken(s.path) {
		return "(a token was given as the path: give the path of the file that holds it)"
	}
	return redact.Path(s.path)
}

// Assertion reads the file and returns the token in it, without a byte order mark or surrounding
// white space.
//
// The path must lead to a regular file of at most 1 MiB that holds a JSON Web Token as [Parse]
// takes it. A token that expired more than 5 minutes ago is refused; one without an expiry, or not
// valid yet, is not.
//
// A file that is missing, empty or malformed may be about to be replaced, so it is read up to 4
// more times within 150 ms. The kubelet swaps a directory by renaming a link
// (pkg/volume/util/atomic_writer.go of Kubernetes), and for an instant the old path leads nowhere.
// Any other failure is final at once.
//
// The error is one line, names the path, and holds nothing from the token except when it expired.
// It wraps [ErrMalformed], [ErrExpired], [fs.ErrNotExist], [fs.ErrPermission] or the context's
// error, if that is the cause. When ctx ends, Assertion returns at once, even if a read hangs. That
// read and its goroutine end when the operating system returns.
//
// Assertion is safe for concurrent use.
func (s *Source) Assertion(ctx context.Context) (string, error) {
	var last error
	for _, pause := range pauses {
		if err := sleep(ctx, pause); err != nil {
			if last != nil {
				err = fmt.Errorf("%w while waiting to retry, after: %w", err, last)
			}
			return "", s.explain(err)
		}
		raw, err := s.await(ctx, func() (string, error) { return read(s.path) })
		if err == nil {
			return raw, nil
		}
		last = err
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrMalformed) {
			break
		}
	}
	return "", s.explain(last)
}

// explain adds the path and, if it is obvious, the fix.
func (s *Source) explain(err error) error {
	hint := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint = "; check what writes it; in a pod, that the token's volume is mounted in this container, at this path"
		if !filepath.IsAbs(s.path) && !strings.HasPrefix(s.path, "/") { // the webhook's path has no drive, on Windows too
			dir, _ := os.Getwd()
			hint = fmt.Sprintf("; the path is relative, and the working directory is %s: give an absolute one", redact.Path(dir))
		}
	case errors.Is(err, fs.ErrPermission):
		hint = "; let the program's user read it; in a pod, set fsGroup in its securityContext"
	case errors.Is(err, ErrExpired):
		hint = "; check this machine's clock, and what renews the token; in a pod the kubelet does, but not under a subPath mount"
	}
	return fmt.Errorf("tokenfile: %s: %w%s", s, err, hint)
}

// sleep returns after the pause. If ctx ends first, it returns ctx's error.
func sleep(ctx context.Context, pause time.Duration) error {
	if pause > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return ctx.Err()
}

// await runs f and abandons it when ctx ends. System calls on a file ignore contexts, and one on a
// dead network file system may never return.
func (s *Source) await(ctx context.Context, f func() (string, error)) (string, error) {
	select {
	case s.reads <- struct{}{}:
	case <-ctx.Done():
		return "", fmt.Errorf("earlier reads of the file are still hanging: %w", ctx.Err())
	}
	type result struct {
		raw string
		err error
	}
	done := make(chan result, 1) // buffered, so that an abandoned f can end
	go func() {
		defer func() { <-s.reads }()
		raw, err := f()
		done <- result{raw, err}
	}()
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("reading the file took too long: %w", ctx.Err())
	case r := <-done:
		return r.raw, r.err
	}
}

// read makes one attempt. Its errors do not name the path.
func read(path string) (string, error) {
	content, err := regularfile.Read(path)
	if err != nil {
		return "", err
	}
	raw, err := text(content)
	if err != nil {
		return "", err
	}
	token, err := parse(raw)
	// A claim of the wrong type is for Entra ID to judge.
	if err != nil && !errors.Is(err, errClaim) {
		return "", err
	}
	if age := time.Since(token.Expiry); !token.Expiry.IsZero() && age > leeway {
		return "", fmt.Errorf("%w: at %s, %s ago by this machine's clock", ErrExpired, token.Expiry.Format(time.RFC3339), age.Truncate(time.Second))
	}
	return raw, nil
}

// text removes what an editor or a shell may have put around the token.
func text(content []byte) (string, error) {
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")), bytes.HasPrefix(content, []byte("\xfe\xff")):
		return "", malformed("it is UTF-16 text; write it as UTF-8")
	case bytes.ContainsRune(content, 0):
		return "", malformed("it contains NUL bytes")
	}
	return strings.TrimSpace(strings.TrimPrefix(string(content), "\ufeff")), nil
}
