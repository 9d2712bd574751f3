package diagnose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/entrafed/entrafed/tokenfile"
)

// sourceTimeout bounds what reads the federated token, as an exchange does.
const sourceTimeout = 30 * time.Second

// checkTokenFile reads the federated token, and looks at what renews it.
func checkTokenFile(ctx context.Context, w *walk, l *Link) {
	ctx, cancel := context.WithTimeout(ctx, sourceTimeout)
	defer cancel()
	o := &w.options.Credential
	path := cmp.Or(strings.TrimSpace(o.TokenFilePath), env("AZURE_FEDERATED_TOKEN_FILE"))
	switch {
	case o.Assertion != nil:
		w.callAssertion(ctx, l)
	case path == "":
		l.skip("no path is set")
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
		l.fail("Options.Assertion: "+err.Error(), "see where that function of the program gets the token from")
		return
	}
	w.parse(l)
}

// await leaves a source behind that does not heed its context, and makes an error of a panic in it.
func await(ctx context.Context, source func(context.Context) (string, error)) (string, error) {
	type result struct {
		raw string
		err error
	}
	done := make(chan result, 1) // so that a source that was left behind can end
	go func() {
		r := result{err: errors.New("it did not return")} // but panicked
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("it panicked: %v", p)
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
	if ctx.Err() == nil { // a file system that hangs must not be asked without a context
		mount = mountOf(path)
		l.see("mount", mount.text)
		l.see("written", mount.written)
	}
	if err != nil {
		problem, fix, _ := strings.Cut(err.Error(), "; ")
		l.fail(problem, cmp.Or(fix, "let AZURE_FEDERATED_TOKEN_FILE (or Options.TokenFilePath) name the file that holds the token, and see what writes it"))
		return
	}
	w.raw = raw
	if w.parse(l) {
		checkRotation(l, w.token, mount)
	}
}

// parse keeps what the token says. What cannot be parsed is sent all the same: Entra ID judges.
func (w *walk) parse(l *Link) bool {
	token, err := tokenfile.Parse(w.raw)
	if err != nil {
		l.warn(err.Error(), "give the token as its issuer wrote it: three parts in base64url, each claim of its own type")
		return false
	}
	w.token = &token
	l.see("token ID", token.ID)
	l.ok("holds a federated token")
	return true
}

// checkRotation warns of a token that should have been replaced. The kubelet asks for a new one after 80 % of the lifetime, or
// after 24 hours (pkg/kubelet/token/token_manager.go of Kubernetes), and looks about once a minute; so a tenth is ample.
func checkRotation(l *Link, token *tokenfile.Token, mount mount) {
	lifetime, left := token.Expiry.Sub(token.IssuedAt), time.Until(token.Expiry)
	switch {
	case token.Expiry.IsZero() || token.IssuedAt.IsZero():
		return
	case mount.never:
		l.warn("a subPath mount is never renewed: the token in it expires "+fromNow(token.Expiry), "mount the projected volume itself, without subPath, and recreate the pod")
	case left < lifetime/10:
		l.warn(fmt.Sprintf("nothing has renewed the token, whose lifetime of %s ends %s", lifetime, fromNow(token.Expiry)),
			"mount the projected volume itself: the kubelet renews no copied file, and some virtual nodes renew none; then recreate the pod")
	}
	if mount.kubelet {
		l.see("renewed after", fromNow(token.IssuedAt.Add(min(lifetime/10*8, 24*time.Hour)))) // in this order: a lifetime can be 292 years
	}
}

// mount is how a file comes to its place.
type mount struct {
	text    string
	written string // when
	kubelet bool   // renews it
	never   bool   // is it renewed
}

// mountOf tells a volume as the kubelet lays it out (pkg/volume/util/atomic_writer.go of Kubernetes) from what nobody renews.
func mountOf(path string) mount {
	m := mount{never: mounted(path), kubelet: linked(filepath.Join(filepath.Dir(path), "..data"))}
	info, err := os.Stat(path)
	file := err == nil && info.Mode().IsRegular()
	if file {
		m.written = ago(info.ModTime())
	}
	switch {
	case m.never:
		m.text, m.kubelet = "a mount of the file alone, as by subPath", false
	case m.kubelet:
		m.text = "a projected volume, as the kubelet makes it"
	case file:
		m.text = "a plain file: not the kubelet's, so something else has to renew it"
	}
	return m
}

func linked(path string) bool {
	_, err := os.Readlink(path)
	return err == nil
}

// ago tells when something was, and how long that is ago.
func ago(at time.Time) string {
	return fmt.Sprintf("%s, %s ago", at.UTC().Format(time.RFC3339), amount(time.Since(at)))
}

// fromNow tells when something is, and how far from now; empty for no time.
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
