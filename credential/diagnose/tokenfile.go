package diagnose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/entrafed/entrafed/internal/problems"
	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/internal/webhook"
	"github.com/entrafed/entrafed/tokenfile"
)

// sourceTimeout bounds a read of the federated token. An exchange has the same bound.
const sourceTimeout = 30 * time.Second

// checkTokenFile reads the federated token and checks that something renews it.
func checkTokenFile(ctx context.Context, w *walk, l *Link) {
	ctx, cancel := context.WithTimeout(ctx, sourceTimeout)
	defer cancel()
	o := &w.options.Credential
	path := cmp.Or(strings.TrimSpace(o.TokenFilePath), env(webhook.EnvTokenFile))
	switch {
	case o.Assertion != nil:
		w.callAssertion(ctx, l)
	case path == "":
		l.skip("no path is set")
	case problems.Odd(path) != "": // credential.New reports it
		l.skip("the setting is not a path")
	default:
		w.readFile(ctx, l, path)
	}
}

func (w *walk) callAssertion(ctx context.Context, l *Link) {
	l.see("source", "Options.Assertion")
	raw, err := await(ctx, w.options.Credential.Assertion)
	w.raw = strings.TrimSpace(raw)
	if err == nil && w.raw == "" {
		err = errors.New("it returned an empty token")
	}
	if err != nil {
		l.fail("Options.Assertion: "+err.Error(), "check where this function gets the token")
		l.Transient = outOfTime(err)
		return
	}
	w.parse(l)
}

// outOfTime reports whether err means only that time ran out, and names no other problem.
func outOfTime(err error) bool {
	return (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) &&
		!errors.Is(err, fs.ErrNotExist) && !errors.Is(err, tokenfile.ErrMalformed)
}

// await calls source. It does not wait for a source that ignores its context, and turns a panic
// into an error.
func await(ctx context.Context, source func(context.Context) (string, error)) (string, error) {
	type result struct {
		raw string
		err error
	}
	done := make(chan result, 1) // buffered: nobody may be waiting
	go func() {
		r := result{err: errors.New("it did not return")} // as after runtime.Goexit
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("it panicked %s", redact.Panic(p))
			}
			done <- r
		}()
		r.raw, r.err = source(ctx)
	}()
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("it did not return: %w", ctx.Err())
	case r := <-done:
		return r.raw, r.err
	}
}

func (w *walk) readFile(ctx context.Context, l *Link, path string) {
	l.see("path", shown(path))
	raw, err := tokenfile.New(path).Assertion(ctx)
	var mount mount
	if ctx.Err() == nil { // mountOf has no timeout, and the file system may hang
		mount = mountOf(path)
		l.see("mount", mount.text)
		l.see("written", mount.written)
	}
	if err != nil {
		l.fail(err.Error(), fixOf(err))
		l.Transient = outOfTime(err)
		return
	}
	w.raw = raw
	if w.parse(l) {
		checkRotation(l, w.token, mount)
	}
}

// fixOf returns the fix for a failed read.
func fixOf(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "let the program's user read the file; in a pod, set fsGroup in its securityContext"
	case outOfTime(err):
		return "try again with more time; if reading still takes too long, check the file system"
	}
	return "set AZURE_FEDERATED_TOKEN_FILE (or Options.TokenFilePath) to the file that holds the token, and check what writes it"
}

// parse parses the federated token. If it cannot, it adds a warning, not a failure: the token is
// sent all the same, and Entra ID decides.
func (w *walk) parse(l *Link) bool {
	token, err := tokenfile.Parse(w.raw)
	if err != nil {
		l.warn(err.Error(), "present the token as its issuer wrote it: three base64url parts, with claims of the right types", 50027)
		return false
	}
	w.token = &token
	l.see("token ID", token.ID)
	l.ok("holds a federated token")
	return true
}

// checkRotation warns of a token that should have been renewed. The kubelet requests a new one
// after 80 % of the lifetime or after 24 hours (pkg/kubelet/token/token_manager.go of Kubernetes),
// and syncs about once a minute. So a token in the last tenth of its lifetime is overdue, unless
// that is within two minutes of the renewal.
func checkRotation(l *Link, token *tokenfile.Token, mount mount) {
	lifetime, left := token.Expiry.Sub(token.IssuedAt), time.Until(token.Expiry)
	fix := "mount the projected volume itself and recreate the pod: the kubelet does not renew copied files"
	if mount.kubelet {
		fix = "check the node's kubelet: it keeps the old token while it cannot get a new one, and some virtual nodes renew nothing"
	}
	switch {
	case token.Expiry.IsZero() || token.IssuedAt.IsZero():
		return
	case mount.never:
		l.warn(inWorld(token, "a subPath mount is never renewed", "only the file is mounted, so a file that replaces it is not seen")+": the expiry of its token is "+fromNow(token.Expiry),
			inWorld(token, "mount the projected volume itself, without subPath, and recreate the pod", "mount the file's directory"), 700024)
	case left < min(lifetime/10, lifetime/5-2*time.Minute):
		l.warn(fmt.Sprintf("nothing has renewed the token: its lifetime is %s, its expiry %s", lifetime, fromNow(token.Expiry)), inWorld(token, fix, "check what renews the file"))
	}
	if mount.kubelet && token.Kubernetes.Pod.Name != "" { // another token may be from a Secret's volume
		// Divide before multiplying: a lifetime can be 292 years, and would overflow.
		l.see("renewed after", fromNow(token.IssuedAt.Add(min(lifetime/10*8, 24*time.Hour))))
	}
}

// mount describes how the token file is mounted.
type mount struct {
	text    string
	written string // when the file was written
	kubelet bool   // the kubelet writes the file
	never   bool   // a file that replaces this one is not seen
}

// mountOf distinguishes a volume that the kubelet writes from other files.
func mountOf(path string) mount {
	m := mount{never: mounted(path), kubelet: projected(path)}
	info, err := os.Stat(path)
	file := err == nil && info.Mode().IsRegular()
	if file {
		m.written = ago(info.ModTime())
	}
	switch {
	case m.never:
		m.text, m.kubelet = "only the file is mounted, so a file that replaces it is not seen", false
	case m.kubelet:
		m.text = "a volume that the kubelet keeps up to date"
	case file:
		m.text = "a plain file, which something must renew"
	}
	return m
}

// projected reports whether the path is in a volume that the kubelet writes. Such a volume has the
// link ..data at its top (pkg/volume/util/atomic_writer.go of Kubernetes). The file may be in a
// subdirectory.
func projected(path string) bool {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if _, err := os.Readlink(filepath.Join(dir, "..data")); err == nil {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// ago formats a past time and how long ago it was.
func ago(at time.Time) string {
	return fmt.Sprintf("%s, %s ago", at.UTC().Format(time.RFC3339), amount(time.Since(at)))
}

// fromNow formats a time and its distance from now; empty for the zero time.
func fromNow(at time.Time) string {
	switch left := time.Until(at); {
	case at.IsZero():
		return ""
	case left < 0:
		return ago(at)
	default:
		return fmt.Sprintf("%s, in %s", at.UTC().Format(time.RFC3339), amount(left))
	}
}

func amount(d time.Duration) string {
	if d < time.Second {
		return "less than a second"
	}
	return d.Round(time.Second).String()
}
