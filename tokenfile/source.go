package tokenfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/entrafed/entrafed/internal/regularfile"
)

// leeway is how far past its expiry a token is still handed out, since the
// clocks of node and Entra differ. Entra judges.
const leeway = 5 * time.Minute

// pauses come before each attempt at reading. The kubelet's swap is over in
// microseconds: of 42 opens that met it in 5.2 million, an immediate second one
// cured each. The rest is for writers that are no kubelet.
var pauses = [...]time.Duration{0, 10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 80 * time.Millisecond}

// Source is a file that holds a federated token. Make one with [New]. It is safe
// for concurrent use and keeps nothing but the path.
type Source struct {
	path  string
	reads chan struct{} // those under way
}

// maxReads is how many reads of one file may hang before no more are begun: each holds a thread.
const maxReads = 4

// New returns the Source for the file at path, commonly the value of
// AZURE_FEDERATED_TOKEN_FILE. It does not touch the file: that may appear later.
func New(path string) *Source { return &Source{path: path, reads: make(chan struct{}, maxReads)} }

// String returns the path, quoted so that it is one line, for logs and errors.
// A token that was given in the place of the path is not shown.
func (s *Source) String() string {
	if _, err := parse(s.path); err == nil {
		return "(a token was given as the path: give the path of the file that holds it)"
	}
	return fmt.Sprintf("%#q", s.path)
}

// Assertion reads the file and returns the token in it, without the byte order
// mark and the white space around it.
//
// The file must be a regular one after following links, of at most 1 MiB, and
// hold a JSON Web Token as [Parse] takes it. A token that expired more than 5
// minutes ago is refused, one without an expiry or not valid yet is not. A file
// that is missing, empty or malformed is read up to 4 times more within 150 ms,
// for it may be about to be replaced: the kubelet swaps a directory by renaming
// a link (pkg/volume/util/atomic_writer.go of Kubernetes), and for an instant
// the old path leads nowhere. Any other failure is final at once.
//
// The error is one line, names the path, holds nothing of the token but when it
// expired, and is one of [ErrMalformed], [ErrExpired], [fs.ErrNotExist],
// [fs.ErrPermission] or the context's error where that is the cause. When ctx
// ends Assertion returns at once, even from a read that hangs; that read, and
// one goroutine, end when the operating system lets go of them.
//
// Assertion is safe for concurrent use.
func (s *Source) Assertion(ctx context.Context) (string, error) {
	var last error
	for _, pause := range pauses {
		if err := sleep(ctx, pause); err != nil {
			if last != nil {
				err = fmt.Errorf("%w before another attempt, after: %w", err, last)
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

// explain adds the path and, where it is obvious, what to do.
func (s *Source) explain(err error) error {
	hint := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint = "; check that the token's volume is mounted in this container, at this path"
	case errors.Is(err, fs.ErrPermission):
		hint = "; let the container's user read it, as with fsGroup in the pod's securityContext"
	case errors.Is(err, ErrExpired):
		hint = "; check this machine's clock, and that the kubelet renews the token: it does not under a subPath mount"
	}
	return fmt.Errorf("tokenfile: %s: %w%s", s, err, hint)
}

// sleep returns after the pause, or before it with the error of a context that
// has ended.
func sleep(ctx context.Context, pause time.Duration) error {
	if pause > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return ctx.Err()
}

// await runs f, and leaves it behind when ctx ends: no system call on a file
// heeds a context, and one on a dead network file system may never return.
func (s *Source) await(ctx context.Context, f func() (string, error)) (string, error) {
	select {
	case s.reads <- struct{}{}:
	case <-ctx.Done():
		return "", fmt.Errorf("earlier reads of it hang: %w", ctx.Err())
	}
	type result struct {
		raw string
		err error
	}
	done := make(chan result, 1) // so that an abandoned f can end
	go func() {
		defer func() { <-s.reads }()
		raw, err := f()
		done <- result{raw, err}
	}()
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("reading it takes too long: %w", ctx.Err())
	case r := <-done:
		return r.raw, r.err
	}
}

// read makes one attempt. Its errors do not name the path.
func read(path string) (string, error) {
	content, err := regularfile.Read(path)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err // explain prints the path, in a form that is one line
	}
	if err != nil {
		return "", err
	}
	raw, err := text(content)
	if err != nil {
		return "", err
	}
	token, err := parse(raw)
	if err != nil && !errors.Is(err, errClaim) { // Entra is the judge of a claim of another type
		return "", err
	}
	if age := time.Since(token.Expiry); !token.Expiry.IsZero() && age > leeway {
		return "", fmt.Errorf("%w: at %s, %s ago by this machine's clock", ErrExpired, token.Expiry.Format(time.RFC3339), age.Truncate(time.Second))
	}
	return raw, nil
}

// text strips what an editor or a shell may have put around the token.
func text(content []byte) (string, error) {
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")), bytes.HasPrefix(content, []byte("\xfe\xff")):
		return "", malformed("it is UTF-16 text; write it as UTF-8")
	case bytes.ContainsRune(content, 0):
		return "", malformed("it has NUL bytes in it")
	}
	return strings.TrimSpace(strings.TrimPrefix(string(content), "\ufeff")), nil
}
