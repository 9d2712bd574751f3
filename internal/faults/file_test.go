//go:build linux

package faults_test

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/tokenfile"
)

// pod is the place of a token file in these tests: a plain file, that may become anything.
type pod struct {
	t    *testing.T
	path string
	good string // a token that the endpoint takes
}

func (p *pod) write(content string) {
	p.clear()
	require.NoError(p.t, os.WriteFile(p.path, []byte(content), 0o600))
}

func (p *pod) clear() { require.NoError(p.t, os.RemoveAll(p.path)) }

func (p *pod) link(to string) {
	p.clear()
	require.NoError(p.t, os.Symlink(to, p.path))
}

// over writes as an editor does: the file is there all the time.
func (p *pod) over(content string) {
	require.NoError(p.t, os.WriteFile(p.path, []byte(content), 0o600))
}

// unsigned makes a token that nobody signed, which no fake looks at.
func (p *pod) unsigned(header, claims map[string]any) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(p.t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	if header == nil {
		header = map[string]any{"alg": "RS256"}
	}
	return part(header) + "." + part(claims) + "." + base64.RawURLEncoding.EncodeToString([]byte("c2lnbmVkIGJ5IG5vYm9keQ"))
}

// fileRow is a fault of the token file: what it becomes after it was good.
type fileRow struct {
	name string
	turn func(*pod)
	back func(*pod) // default: a good file again
	want
}

func runFileRows(t *testing.T, rows []fileRow) {
	for _, x := range rows {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &pod{t: t}
				r := newRig(t, func(r *rig) {
					p.path, p.good = filepath.Join(t.TempDir(), "token"), r.file.Token()
					p.write(p.good)
					r.options.TokenFilePath, r.options.PropagationTimeout = p.path, 0
				})
				x.sharedWithOther = true
				if !x.token && x.status == 0 && x.words == nil {
					x.words = []string{p.path}
				}
				back := func() { p.write(p.good) }
				if x.back != nil {
					back = func() { x.back(p) }
				}
				drill{want: x.want, down: func() { x.turn(p) }, heal: back, sent: r.sent}.run(r)
			})
		})
	}
}

func content(s string) func(*pod) { return func(p *pod) { p.write(s) } }

// of writes what is made of a good token.
func of(change func(string) string) func(*pod) { return func(p *pod) { p.write(change(p.good)) } }

func TestFileIsWrong(t *testing.T) {
	// What may be a moment of a replacement is read again, for 150 ms; the rest is final at once.
	missing := want{is: []error{fs.ErrNotExist}, waited: seconds(0.14, 0.2)}
	malformed := want{is: []error{tokenfile.ErrMalformed}, waited: seconds(0.14, 0.2)}
	final := func(words ...string) want { return want{words: words, waited: seconds(0, 0)} }
	utf16le := func(s string) string {
		b := []byte{0xff, 0xfe}
		for _, c := range utf16.Encode([]rune(s)) {
			b = append(b, byte(c), byte(c>>8))
		}
		return string(b)
	}
	runFileRows(t, []fileRow{
		{name: "missing", turn: (*pod).clear, want: missing},
		{name: "dangling link", turn: func(p *pod) { p.link(p.path + ".gone") }, want: missing},
		{name: "its directory is missing", turn: func(p *pod) { require.NoError(p.t, os.RemoveAll(filepath.Dir(p.path))) },
			back: func(p *pod) { require.NoError(p.t, os.Mkdir(filepath.Dir(p.path), 0o700)); p.write(p.good) }, want: missing},
		{name: "link to itself", turn: func(p *pod) { p.link(p.path) }, want: want{is: []error{syscall.ELOOP}, waited: seconds(0, 0.2)}},
		{name: "directory", turn: func(p *pod) { p.clear(); require.NoError(p.t, os.Mkdir(p.path, 0o700)) }, want: final("directory", "regular file")},
		{name: "FIFO", turn: func(p *pod) { p.clear(); require.NoError(p.t, syscall.Mkfifo(p.path, 0o600)) }, want: final("named pipe", "regular file")},
		{name: "device", turn: func(p *pod) { p.link("/dev/zero") }, want: final("device", "regular file")},
		{name: "terminal", turn: func(p *pod) { p.link("/dev/tty") }, want: final("device", "regular file")},
		{name: "socket", turn: func(p *pod) {
			dir, err := os.MkdirTemp("", "s") // a socket's path must be short
			require.NoError(p.t, err)
			l, err := net.Listen("unix", filepath.Join(dir, "s"))
			require.NoError(p.t, err)
			p.t.Cleanup(func() { _ = l.Close(); _ = os.RemoveAll(dir) })
			p.link(filepath.Join(dir, "s"))
		}, want: final("socket", "regular file")},
		{name: "a file that fails to be read", turn: func(p *pod) { p.link("/proc/self/mem") }, want: want{is: []error{syscall.EIO}, waited: seconds(0, 0)}},
		{name: "2 MiB", turn: func(p *pod) { p.write(p.good + strings.Repeat(" ", 2<<20)) }, want: final("1 MiB")},
		{name: "2 MiB of a token", turn: content(strings.Repeat("eyJ.", 1<<19)), want: final("1 MiB")},

		{name: "empty", turn: content(""), want: malformed},
		{name: "white space", turn: content(" \r\n\t\n"), want: malformed},
		{name: "byte order mark alone", turn: content("\ufeff"), want: malformed},
		{name: "half", turn: of(func(s string) string { return s[:len(s)/2] }), want: malformed},
		{name: "up to the second dot", turn: of(func(s string) string { return s[:strings.LastIndex(s, ".")+1] }), want: malformed},
		{name: "NULs", turn: content(strings.Repeat("\x00", 1000)), want: malformed},
		{name: "NULs at the end, as after a crash", turn: of(func(s string) string { return s + strings.Repeat("\x00", 100) }), want: malformed},
		{name: "UTF-16", turn: of(utf16le), want: malformed},
		{name: "twice", turn: of(func(s string) string { return s + "\n" + s }), want: malformed},
		{name: "quoted", turn: of(func(s string) string { return `"` + s + `"` }), want: malformed},
		{name: "with Bearer", turn: of(func(s string) string { return "Bearer " + s }), want: malformed},
		{name: "in base64", turn: of(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }), want: malformed},
		{name: "in JSON", turn: of(func(s string) string { return `{"token":"` + s + `"}` }), want: malformed},
		{name: "a line end in the middle", turn: of(func(s string) string { return s[:100] + "\n" + s[100:] }), want: malformed},
		{name: "a page", turn: content(page), want: malformed},
		{name: "a key", turn: content("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), want: malformed},
		{name: "encrypted", turn: content("eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d"), want: malformed},
		{name: "unsigned", turn: of(func(s string) string { return s[:strings.LastIndex(s, ".")+1] + "" }), want: malformed},
		{name: "opaque", turn: content("0123456789abcdef"), want: malformed},
	})
}

func TestFileIsAnotherToken(t *testing.T) {
	const aks = entratest.DefaultIssuer
	claims := func(change map[string]any) func(*pod) {
		return func(p *pod) {
			c := map[string]any{"iss": aks, "sub": "system:serviceaccount:shop:orders", "aud": []string{"api://AzureADTokenExchange"}}
			for name, value := range change {
				c[name] = value
			}
			p.write(p.unsigned(nil, c))
		}
	}
	expiry := func(d time.Duration) func(*pod) {
		return func(p *pod) { claims(map[string]any{"exp": time.Now().Add(d).Unix()})(p) }
	}
	sent := want{token: true, requests: 1, waited: seconds(0, 0)}
	expired := want{is: []error{tokenfile.ErrExpired}, waited: seconds(0, 0), words: []string{"expired", "kubelet"}}
	runFileRows(t, []fileRow{
		// Entra ID judges. Only what is long expired is not shown to it.
		{name: "expired an hour ago", turn: expiry(-time.Hour), want: expired},
		{name: "expired 5 minutes and 2 seconds ago", turn: expiry(-5*time.Minute - 2*time.Second), want: expired},
		{name: "expired in 1970", turn: claims(map[string]any{"exp": 1}), want: expired},
		{name: "expired 4 minutes ago", turn: expiry(-4 * time.Minute), want: sent},
		{name: "not valid yet", turn: claims(map[string]any{"nbf": int64(99999999999)}), want: sent},
		{name: "without expiry", turn: claims(nil), want: sent},
		{name: "byte order mark and line end", turn: of(func(s string) string { return "\ufeff" + s + "\r\n" }), want: sent},
		{name: "white space around it", turn: of(func(s string) string { return "\n\t " + s + " \n\n" }), want: sent},
		{name: "a link to it", turn: func(p *pod) {
			p.write(p.good)
			require.NoError(p.t, os.Rename(p.path, p.path+".real"))
			p.link(p.path + ".real")
		}, want: sent},
		{name: "of another issuer", turn: claims(map[string]any{"iss": "https://token.actions.githubusercontent.com", "sub": "repo:o/r:ref:refs/heads/main"}), want: sent},
		{name: "with an audience that is a string", turn: claims(map[string]any{"aud": "api://AzureADTokenExchange"}), want: sent},
		{name: "of many claims", turn: claims(map[string]any{"groups": make([]int, 5000)}), want: sent},
		{name: "for Kubernetes", turn: claims(map[string]any{"aud": []string{"https://kubernetes.default.svc.cluster.local"}}), want: sent},
	})
}

// What the token says of itself explains a refusal that would otherwise be retried for 15 s.
func TestFileExplainsTheRefusal(t *testing.T) {
	for name, claims := range map[string]map[string]any{
		"for Kubernetes":          {"iss": "https://k.example", "aud": []string{"https://kubernetes.default.svc"}},
		"for an identity binding": {"iss": "https://ib.example", "aud": []string{"api://AKSIdentityBinding"}},
		"of Entra ID":             {"iss": "https://login.microsoftonline.com/" + tenantID + "/v2.0", "aud": "api://AzureADTokenExchange"},
	} {
		runRows(t, []row{{name: name, then: new(entratest.Refuse(700213)), once: true, with: func(r *rig) {
			p := &pod{t: r.t, path: filepath.Join(r.t.TempDir(), "token")}
			p.write(p.unsigned(nil, claims))
			r.options.TokenFilePath, r.options.PropagationTimeout = p.path, 0
		}, want: want{status: 401, code: "invalid_client", codes: []int{700213}, requests: 1, waited: seconds(0, 0), words: []string{claims["iss"].(string)}}}})
	}
}

// A replacement that is under way is waited for, for a moment.
func TestFileIsBeingReplaced(t *testing.T) {
	sent := want{token: true, requests: 1, waited: seconds(0.01, 0.15)}
	then := func(first func(*pod), after time.Duration) func(*pod) {
		return func(p *pod) {
			first(p)
			time.AfterFunc(after, func() { p.over(p.good) })
		}
	}
	runFileRows(t, []fileRow{
		{name: "swap", turn: then((*pod).clear, 5*time.Millisecond), want: sent},
		{name: "slow swap", turn: then((*pod).clear, 100*time.Millisecond), want: sent},
		{name: "truncated and written", turn: then(content(""), 25*time.Millisecond), want: sent},
		{name: "written in halves", turn: then(of(func(s string) string { return s[:len(s)/2] }), 60*time.Millisecond), want: sent},
		{name: "dangling for a moment", turn: func(p *pod) {
			p.link(p.path + ".new")
			time.AfterFunc(15*time.Millisecond, func() { _ = os.WriteFile(p.path+".new", []byte(p.good), 0o600) })
		}, want: sent},
		{name: "a projection rotates", turn: func(p *pod) {
			var cluster entratest.Cluster
			file, err := cluster.Project(filepath.Join(filepath.Dir(p.path), "volume"), "token", entratest.TokenRequest{})
			require.NoError(p.t, err)
			p.link(file.Path())
			require.NoError(p.t, file.Rotate())
		}, want: want{token: true, requests: 1}},
	})
}

// A refusal of a token that has been replaced since it was read is no refusal of the new one.
func TestFileIsRotatedWhileItsTokenIsRefused(t *testing.T) {
	type state struct {
		*rig
		bad entratest.Server
	}
	rotates := func(s *state) { require.NoError(s.t, s.file.Rotate()) }
	cases := []struct {
		name    string
		code    int
		refusal func(*state) // with the first refusal
		then    *entratest.Reply
		want
	}{
		{name: "700024", code: 700024, refusal: rotates, want: want{token: true, requests: 2, waited: seconds(0, 0)}},
		{name: "50027", code: 50027, refusal: rotates, want: want{token: true, requests: 2, waited: seconds(0, 0)}},
		{name: "7000216", code: 7000216, refusal: rotates, want: want{token: true, requests: 2, waited: seconds(0, 0)}},
		{name: "700024 twice", code: 700024, then: new(entratest.Refuse(700024)), refusal: rotates,
			want: want{status: 401, code: "invalid_client", codes: []int{700024}, requests: 2, waited: seconds(0, 0)}},
		{name: "another refusal then", code: 700024, then: new(entratest.Refuse(700016)), refusal: rotates,
			want: want{status: 400, code: "unauthorized_client", codes: []int{700016}, requests: 2, waited: seconds(0, 0)}},
		{name: "rotated, but that does not explain it", code: 700016, then: new(entratest.Refuse(700016)), refusal: rotates,
			want: want{status: 400, code: "unauthorized_client", codes: []int{700016}, requests: 1, waited: seconds(0, 0)}},
		{name: "the file is gone then", code: 700024, refusal: func(s *state) {
			require.NoError(s.t, os.Rename(s.file.Path(), s.file.Path()+".gone"))
			time.AfterFunc(time.Second/2, func() { _ = os.Rename(s.file.Path()+".gone", s.file.Path()) })
		},
			want: want{status: 401, code: "invalid_client", codes: []int{700024}, is: []error{fs.ErrNotExist}, requests: 1, sharedWithOther: true, words: []string{"AADSTS700024"}}},
	}
	var rows []row
	for _, c := range cases {
		rows = append(rows, row{name: c.name, once: true, want: c.want, with: func(r *rig) {
			r.options.PropagationTimeout = 0
			s := &state{rig: r}
			s.bad.Lifetime = lifetime
			s.bad.Enqueue(entratest.Refuse(c.code))
			s.bad.SetReply(c.then)
			r.fault = func(req *http.Request) (*http.Response, error) {
				resp, err := s.bad.Do(req)
				if len(s.bad.Requests()) == 1 {
					c.refusal(s)
				}
				if err == nil {
					r.learn(resp)
				}
				return resp, err
			}
		}})
	}
	runRows(t, rows)
}

// A token in the place of its path is a mistake that is easily made, and must not end up in a log.
func TestFileIsTheTokenItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.options.TokenFilePath = r.file.Token() })
		_, err := r.get(t.Context(), storage)
		explained(t, err)
		assert.ErrorContains(t, err, "the path of the file")
		assert.Zero(t, r.sent())
		time.Sleep(landing)
		r.options = credential.Options{} // the user's own, with the user's own mistake
		r.finish(sinkError, sinkLog, sinkEvent)
	})
}

// A token that is served does not need the file.
func TestFileIsMissingForHours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		first := r.must(storage)
		require.NoError(t, os.Rename(r.file.Path(), r.file.Path()+".gone"))
		for time.Until(first.ExpiresOn) > 5*time.Second {
			began := time.Now()
			assert.Equal(t, first, r.must(storage))
			require.Zero(t, time.Since(began))
			time.Sleep(7 * time.Minute)
		}
		time.Sleep(max(0, time.Until(first.ExpiresOn)))
		_, err := r.get(t.Context(), storage)
		assert.ErrorIs(t, err, fs.ErrNotExist)
		assert.Equal(t, 1, r.sent())
		require.NoError(t, os.Rename(r.file.Path()+".gone", r.file.Path()))
		time.Sleep(time.Minute)
		r.must(storage)
		time.Sleep(landing)
		r.finish(everywhere...)
	})
}
