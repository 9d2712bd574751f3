//go:build linux

package faults_test

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/tokenfile"
)

// tokenFile is the plain file that a rig reads its federated token from. A test can turn it into
// anything.
type tokenFile struct {
	*rig
	path string
	good string // a token that the endpoint accepts
}

func (f *tokenFile) write(content string) {
	f.clear()
	f.over(content)
}

func (f *tokenFile) clear() { require.NoError(f.t, os.RemoveAll(f.path)) }

func (f *tokenFile) link(to string) {
	f.clear()
	require.NoError(f.t, os.Symlink(to, f.path))
}

// over writes as an editor does: the file never disappears.
func (f *tokenFile) over(content string) {
	require.NoError(f.t, os.WriteFile(f.path, []byte(content), 0o600))
}

// fileRow is a fault of a token file that was good before.
type fileRow struct {
	name string
	turn func(*tokenFile)
	want
}

func runFileRows(t *testing.T, rows []fileRow) {
	for _, x := range rows {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &tokenFile{path: filepath.Join(t.TempDir(), "volume", "token")}
				good := func() {
					require.NoError(t, os.MkdirAll(filepath.Dir(f.path), 0o700))
					f.write(f.good)
				}
				newRig(t, func(r *rig) {
					f.rig, f.good = r, r.Projection.Token()
					good()
					r.options.TokenFilePath, r.options.PropagationTimeout = f.path, 0
				})
				x.sharedWithOther = true
				if !x.token && x.words == nil {
					x.words = []string{f.path}
				}
				drill{want: x.want, down: func() { x.turn(f) }, heal: good}.run(f.rig)
			})
		})
	}
}

func content(s string) func(*tokenFile) { return func(f *tokenFile) { f.write(s) } }

// of writes a changed copy of the good token.
func of(change func(string) string) func(*tokenFile) {
	return func(f *tokenFile) { f.write(change(f.good)) }
}

// expired writes a token that expired that long ago.
func expired(ago time.Duration) func(*tokenFile) {
	return func(f *tokenFile) {
		token, err := f.Cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders", Lifetime: -ago})
		require.NoError(f.t, err)
		f.secret(token)
		f.write(token)
	}
}

func TestFileIsWrong(t *testing.T) {
	// A state that a replacement can cause is retried for 150 ms; any other is final at once.
	missing := want{is: []error{fs.ErrNotExist}, waited: seconds(0.14, 0.2)}
	malformed := want{is: []error{tokenfile.ErrMalformed}, waited: seconds(0.14, 0.2)}
	final := func(words ...string) want { return want{words: words, waited: seconds(0, 0)} }
	runFileRows(t, []fileRow{
		{name: "missing", turn: (*tokenFile).clear, want: missing},
		{name: "its directory is missing", turn: func(f *tokenFile) { require.NoError(f.t, os.RemoveAll(filepath.Dir(f.path))) }, want: missing},
		{name: "link to itself", turn: func(f *tokenFile) { f.link(f.path) }, want: want{is: []error{syscall.ELOOP}, waited: seconds(0, 0.2)}},
		{name: "FIFO", turn: func(f *tokenFile) { f.clear(); require.NoError(f.t, syscall.Mkfifo(f.path, 0o600)) }, want: final("named pipe", "regular file")},
		{name: "a file that fails to be read", turn: func(f *tokenFile) { f.link("/proc/self/mem") }, want: want{is: []error{syscall.EIO}, waited: seconds(0, 0)}},
		{name: "2 MiB", turn: of(func(s string) string { return s + strings.Repeat(" ", 2<<20) }), want: final("1 MiB")},
		{name: "half", turn: of(func(s string) string { return s[:len(s)/2] }), want: malformed},
		{name: "NULs at the end, as after a crash", turn: of(func(s string) string { return s + strings.Repeat("\x00", 100) }), want: malformed},
		{name: "in JSON", turn: of(func(s string) string { return `{"token":"` + s + `"}` }), want: malformed},
		{name: "expired an hour ago", turn: expired(time.Hour), want: want{is: []error{tokenfile.ErrExpired}, waited: seconds(0, 0), words: []string{"expired", "kubelet"}}},
	})
}

// A replacement in progress is waited for briefly.
func TestFileIsReplaced(t *testing.T) {
	sent := want{token: true, requests: 1, waited: seconds(0, 0)}
	waited := want{token: true, requests: 1, waited: seconds(0.01, 0.15)}
	then := func(first func(*tokenFile), after time.Duration) func(*tokenFile) {
		return func(f *tokenFile) {
			first(f)
			time.AfterFunc(after, func() { f.over(f.good) })
		}
	}
	runFileRows(t, []fileRow{
		{name: "swap", turn: then((*tokenFile).clear, 5*time.Millisecond), want: waited},
		{name: "slow swap", turn: then((*tokenFile).clear, 100*time.Millisecond), want: waited},
		{name: "truncated and written", turn: then(content(""), 25*time.Millisecond), want: waited},
		{name: "written in halves", turn: then(of(func(s string) string { return s[:len(s)/2] }), 60*time.Millisecond), want: waited},
		{name: "dangling for a moment", turn: func(f *tokenFile) {
			f.link(f.path + ".new")
			time.AfterFunc(15*time.Millisecond, func() { _ = os.WriteFile(f.path+".new", []byte(f.good), 0o600) })
		}, want: waited},
		{name: "a projection rotates", turn: func(f *tokenFile) { f.link(f.TokenFile); f.rotate() }, want: sent},
		{name: "by one with a byte order mark", turn: of(func(s string) string { return "\ufeff" + s + "\r\n" }), want: sent},
		// Entra ID judges it.
		{name: "by one that expired 4 minutes ago", turn: expired(4 * time.Minute), want: sent},
	})
}

// A refusal of a token that was replaced after it was read says nothing about the new one.
func TestFileIsRotatedWhileItsTokenIsRefused(t *testing.T) {
	// with runs happens while the first request is refused.
	with := func(happens func(*rig)) func(*rig) {
		return func(r *rig) {
			r.options.PropagationTimeout = 0
			r.fault = func(req *http.Request) (*http.Response, error) {
				resp, err := r.answer(&r.broken, req)
				if len(r.broken.Requests()) == 1 {
					happens(r)
				}
				return resp, err
			}
		}
	}
	gone := func(r *rig) {
		require.NoError(r.t, os.Rename(r.TokenFile, r.TokenFile+".gone"))
		time.AfterFunc(time.Second/2, func() { _ = os.Rename(r.TokenFile+".gone", r.TokenFile) })
	}
	stale := times(1, entratest.Refuse(700024))
	unknown := want{status: 400, code: "unauthorized_client", codes: []int{700016}, requests: 2, waited: seconds(0, 0)}
	once := unknown
	once.requests = 1
	runRows(t, []row{
		{name: "stale", first: stale, with: with((*rig).rotate), once: true, want: want{token: true, requests: 2, waited: seconds(0, 0)}},
		{name: "stale twice", then: &stale[0], with: with((*rig).rotate), once: true, want: want{status: 401, code: "invalid_client", codes: []int{700024}, requests: 2, waited: seconds(0, 0)}},
		{name: "then another refusal", first: stale, then: new(entratest.Refuse(700016)), with: with((*rig).rotate), once: true, want: unknown},
		{name: "refused for another reason", then: new(entratest.Refuse(700016)), with: with((*rig).rotate), once: true, want: once},
		{name: "then the file is gone", first: stale, with: with(gone), once: true,
			want: want{status: 401, code: "invalid_client", codes: []int{700024}, is: []error{fs.ErrNotExist}, requests: 1, sharedWithOther: true, words: []string{"AADSTS700024"}}},
	})
}

// A token served from the cache does not need the file.
func TestFileIsMissingForHours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		first := r.must(storage)
		require.NoError(t, os.Rename(r.TokenFile, r.TokenFile+".gone"))
		for time.Until(first.ExpiresOn) > 5*time.Second {
			began := time.Now()
			assert.Equal(t, first.Token, r.must(storage).Token)
			require.Zero(t, time.Since(began))
			time.Sleep(7 * time.Minute)
		}
		time.Sleep(max(0, time.Until(first.ExpiresOn)))
		_, err := r.get(t.Context(), storage)
		assert.ErrorIs(t, err, fs.ErrNotExist)
		assert.Equal(t, 1, r.sent())
		r.rotate()
		time.Sleep(time.Minute)
		r.must(storage)
		time.Sleep(landing)
		r.finish(everywhere...)
	})
}
