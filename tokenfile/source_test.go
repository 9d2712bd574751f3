package tokenfile_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/test/links"
	"github.com/entrafed/entrafed/tokenfile"
)

func TestAssertionIsTheContent(t *testing.T) {
	raw := valid(t)
	path := file(t, raw)
	source := tokenfile.New(path)

	got, err := source.Assertion(t.Context())
	require.NoError(t, err)
	assert.Equal(t, raw, got)
	assert.Contains(t, source.String(), path)
}

func TestSurroundingWhiteSpaceAndBOMAreRemoved(t *testing.T) {
	raw := valid(t)
	const bom = "\ufeff"
	for _, content := range []string{raw + "\n", raw + "\r\n", "  \t" + raw + " \n\n", bom + raw, bom + "\r\n" + raw + "\r\n",
		raw + strings.Repeat("\n", 1<<20-len(raw))} {
		got, err := tokenfile.New(file(t, content)).Assertion(t.Context())
		require.NoError(t, err)
		assert.Equal(t, raw, got)
	}
}

func TestEveryCallReadsTheFile(t *testing.T) {
	first, second := valid(t), signed(t, jwt.MapClaims{"jti": "second"})
	path := file(t, first)
	source := tokenfile.New(path)
	for _, raw := range []string{first, second, first} {
		require.NoError(t, os.WriteFile(path, []byte(raw), 0o600))
		got, err := source.Assertion(t.Context())
		require.NoError(t, err)
		assert.Equal(t, raw, got)
	}
	require.NoError(t, os.Remove(path))
	_, err := source.Assertion(t.Context())
	assert.ErrorIs(t, err, fs.ErrNotExist, "nothing is kept between calls")
}

// broken returns contents that are refused, with the reason.
func broken(t testing.TB) map[string]struct{ content, reason string } {
	raw := valid(t)
	utf16 := func(bom, format string) string {
		var text strings.Builder
		text.WriteString(bom)
		for _, c := range raw {
			fmt.Fprintf(&text, format, c)
		}
		return text.String()
	}
	return map[string]struct{ content, reason string }{
		"empty":              {"", "it is empty"},
		"white space only":   {" \r\n\t", "it is empty"},
		"BOM only":           {"\ufeff", "it is empty"},
		"NUL bytes":          {strings.Repeat("\x00", 100), "it contains NUL bytes"},
		"NUL at the end":     {raw + "\x00", "it contains NUL bytes"},
		"UTF-16 LE":          {utf16("\xff\xfe", "%c\x00"), "it is UTF-16 text; write it as UTF-8"},
		"UTF-16 BE":          {utf16("\xfe\xff", "\x00%c"), "it is UTF-16 text; write it as UTF-8"},
		"UTF-16 without BOM": {utf16("", "%c\x00"), "it contains NUL bytes"},
		"half a token":       {raw[:len(raw)/2], "a JWT has 3 segments, and it has "},
		"two tokens":         {raw + "\n" + raw, "a JWT has 3 segments, and it has 5"},
		"wrapped":            {raw[:40] + "\n" + raw[40:], "it contains a line break"},
		"a password":         {"correct-horse-battery-staple", "a JWT has 3 segments, and it has 1"},
		"a JSON document":    {`{"access_token":"` + raw + `"}`, "its header is not a JSON object in base64url"},
		"a dotted name":      {"secretsecret.example.com", "its header is not a JSON object in base64url"},
		"2 MiB of junk":      {strings.Repeat("junkjunk", 1<<18), "larger than the limit of 1 MiB (1048576 bytes)"},
		"1 byte too many":    {raw + strings.Repeat("\n", 1<<20-len(raw)+1), "larger than the limit of 1 MiB (1048576 bytes)"},
		"expired":            {expiring(t, time.Now().Add(-time.Hour)), "the token has expired: at "},
	}
}

func TestErrorsNameThePathAndNothingOfTheContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range broken(t) {
			path := file(t, test.content)
			raw, err := tokenfile.New(path).Assertion(t.Context())
			require.Error(t, err, name)
			assert.Empty(t, raw)
			message := err.Error()
			assert.True(t, strings.HasPrefix(message, "tokenfile: "), message)
			assert.Equal(t, 1, strings.Count(message, path), message)
			assert.NotContains(t, message, "\n")
			assert.Contains(t, message, test.reason, name)
			assert.Empty(t, leak(message, test.content), name)
			if !strings.Contains(message, "1 MiB") && name != "expired" {
				assert.ErrorIs(t, err, tokenfile.ErrMalformed, name)
			}
		}
	})
}

func TestEveryMalformedTokenGetsParsesError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t, "")
		for content, reason := range malformedTokens {
			if strings.TrimSpace(content) != content || len(content) > 1<<20 {
				continue
			}
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			raw, err := tokenfile.New(path).Assertion(t.Context())
			if !strings.HasSuffix(reason, "base64url") && strings.Contains(reason, " is not ") {
				assert.NoError(t, err, "Entra ID judges the type of a claim; Parse says: %s", reason)
				assert.Equal(t, content, raw)
				continue
			}
			assert.EqualError(t, err, "tokenfile: "+tokenfile.New(path).String()+": not a JSON Web Token: "+reason)
		}
	})
}

func TestExpiryHasFiveMinutesOfLeeway(t *testing.T) {
	for past, refused := range map[time.Duration]bool{
		-time.Hour:                     false,
		4*time.Minute + 59*time.Second: false,
		5 * time.Minute:                false,
		5*time.Minute + time.Second:    true,
		26 * time.Hour:                 true,
	} {
		t.Run(past.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // midnight, 2000-01-01
				expiry := time.Now().Add(-past)
				start := time.Now()
				_, err := tokenfile.New(file(t, expiring(t, expiry))).Assertion(t.Context())
				if !refused {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, tokenfile.ErrExpired)
				assert.ErrorContains(t, err, "at "+expiry.UTC().Format(time.RFC3339)+", "+past.String()+" ago by this machine's clock", "when it expired")
				assert.ErrorContains(t, err, "check this machine's clock", "the clock may be ahead")
				assert.ErrorContains(t, err, "subPath", "what else to check")
				assert.Equal(t, start, time.Now(), "final at once")
			})
		})
	}
}

func TestOnlyExpiryIsJudged(t *testing.T) {
	for name, claims := range map[string]jwt.MapClaims{
		"not valid yet":  {"nbf": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Add(time.Hour).Unix(), "exp": time.Now().Add(2 * time.Hour).Unix()},
		"no expiry":      {"iss": "https://issuer.example"},
		"odd audience":   {"aud": []string{"", "some thing"}},
		"nothing at all": {},
	} {
		t.Run(name, func(t *testing.T) {
			raw := signed(t, claims)
			got, err := tokenfile.New(file(t, raw)).Assertion(t.Context())
			require.NoError(t, err)
			assert.Equal(t, raw, got)
		})
	}
}

func TestMissingFileIsRetriedBriefly(t *testing.T) {
	links.Need(t)
	dir := t.TempDir()
	dangling := filepath.Join(dir, "dangling")
	require.NoError(t, os.Symlink(filepath.Join("..data", "token"), dangling))
	for _, path := range []string{filepath.Join(dir, "missing"), filepath.Join(dir, "no", "folder"), dangling} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			_, err := tokenfile.New(path).Assertion(t.Context())
			require.ErrorIs(t, err, fs.ErrNotExist)
			assert.Equal(t, 1, strings.Count(err.Error(), path), err)
			assert.ErrorContains(t, err, "that the token's volume is mounted")
			assert.Equal(t, 150*time.Millisecond, time.Since(start), "retried for 150 ms")
		})
	}
}

func TestDirectoryIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, start := t.TempDir(), time.Now()
		_, err := tokenfile.New(path).Assertion(t.Context())
		assert.EqualError(t, err, "tokenfile: "+tokenfile.New(path).String()+": is a directory: give the path of a regular file")
		assert.Equal(t, start, time.Now())
	})
}

// The link exists but leads nowhere yet, as when a pod starts together with its volume, or during
// the kubelet's swap.
func TestFileThatAppearsIsFound(t *testing.T) {
	links.Need(t)
	synctest.Test(t, func(t *testing.T) {
		raw, dir := valid(t), t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "..1"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "..1", "token"), []byte(raw), 0o600))
		path := filepath.Join(dir, "token")
		require.NoError(t, os.Symlink(filepath.Join("..data", "token"), path))
		start := time.Now()
		go func() {
			time.Sleep(20 * time.Millisecond)
			assert.NoError(t, os.Symlink("..1", filepath.Join(dir, "..data")))
		}()
		got, err := tokenfile.New(path).Assertion(t.Context())
		require.NoError(t, err)
		assert.Equal(t, raw, got)
		assert.Equal(t, 30*time.Millisecond, time.Since(start), "the next attempt finds it")
	})
}

func TestHalfWrittenFileIsReadAgain(t *testing.T) {
	for _, begun := range []int{0, 1, 50} {
		synctest.Test(t, func(t *testing.T) {
			raw := valid(t)
			path := file(t, raw[:begun])
			go func() {
				time.Sleep(20 * time.Millisecond)
				assert.NoError(t, os.WriteFile(path, []byte(raw), 0o600))
			}()
			got, err := tokenfile.New(path).Assertion(t.Context())
			require.NoError(t, err)
			assert.Equal(t, raw, got)
		})
	}
}

func TestTheLastErrorIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		go func() {
			time.Sleep(20 * time.Millisecond)
			assert.NoError(t, os.WriteFile(path, nil, 0o600))
		}()
		_, err := tokenfile.New(path).Assertion(t.Context())
		require.ErrorContains(t, err, "it is empty")
		assert.NotErrorIs(t, err, fs.ErrNotExist)
	})
}

func TestEndedContextGetsNoToken(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := file(t, valid(t))
	_, err := tokenfile.New(path).Assertion(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, path)
}

func TestContextEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Millisecond)
		defer cancel()
		path, start := filepath.Join(t.TempDir(), "missing"), time.Now()
		_, err := tokenfile.New(path).Assertion(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorIs(t, err, fs.ErrNotExist, "the error includes the reason for the retry")
		assert.Equal(t, 1, strings.Count(err.Error(), path), err)
		assert.Equal(t, 35*time.Millisecond, time.Since(start))
	})
}

func TestContextEndsAReadThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		hang, start := make(chan struct{}), time.Now()
		_, err := tokenfile.New("").Await(ctx, func() (string, error) { <-hang; return "late", errors.New("late") })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		close(hang) // the bubble would report an abandoned goroutine that cannot end
	})
}

func TestReadsThatHangDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, hang := tokenfile.New(file(t, valid(t))), make(chan struct{})
		var began atomic.Int32
		ask := func(f func() (string, error)) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := source.Await(ctx, f)
			return err
		}
		for range 10 {
			require.ErrorIs(t, ask(func() (string, error) { began.Add(1); <-hang; return "", nil }), context.DeadlineExceeded)
		}
		require.Equal(t, int32(4), began.Load())
		require.ErrorContains(t, ask(nil), "earlier reads of the file are still hanging")
		close(hang)
		synctest.Wait()
		_, err := source.Assertion(t.Context())
		require.NoError(t, err, "the file system answers again")
	})
}

func TestPathWithOddCharactersStaysOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := tokenfile.New("missing\nfolder/token\n").Assertion(t.Context())
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "\n")
		assert.ErrorContains(t, err, `"missing\nfolder/token\n"`, "the error shows the odd characters")
	})
}

// AZURE_FEDERATED_TOKEN_FILE is set to the token itself, the one path that is a secret.
func TestTokenGivenAsThePathIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw := valid(t)
		source := tokenfile.New(raw)
		_, err := source.Assertion(t.Context())
		require.ErrorContains(t, err, "a token was given as the path")
		assert.Empty(t, leak(err.Error(), raw))
		assert.Empty(t, leak(fmt.Sprint(source), raw))
	})
}

// rotate works as the kubelet's AtomicWriter does: it writes a new folder, links ..data_tmp to it,
// renames that to ..data, and removes the old folder. Readers must see nothing but tokens.
func TestReadersSeeNothingButTokensDuringRotation(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("renaming over a link to a folder needs a POSIX file system")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	tokens := make(map[string]bool)
	previous := ""
	rotate := func(n int, raw string) {
		folder := filepath.Join(dir, fmt.Sprintf("..%d", n))
		require.NoError(t, os.Mkdir(folder, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "token"), []byte(raw), 0o600))
		require.NoError(t, os.Symlink(filepath.Base(folder), filepath.Join(dir, "..data_tmp")))
		require.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		if previous != "" {
			require.NoError(t, os.RemoveAll(previous))
		}
		previous = folder
	}
	const rotations = 300
	raws := make([]string, rotations)
	for n := range raws {
		raws[n] = signed(t, jwt.MapClaims{"jti": fmt.Sprint(n)})
		tokens[raws[n]] = true
	}
	rotate(0, raws[0])
	require.NoError(t, os.Symlink(filepath.Join("..data", "token"), path))

	source := tokenfile.New(path)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				got, err := source.Assertion(context.Background())
				if !assert.NoError(t, err) || !assert.True(t, tokens[got]) {
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for n := 1; n < rotations; n++ {
		rotate(n, raws[n])
	}
	close(done)
	readers.Wait()
	got, err := source.Assertion(t.Context())
	require.NoError(t, err)
	assert.Equal(t, raws[rotations-1], got)
}

func BenchmarkAssertion(b *testing.B) {
	source := tokenfile.New(file(b, signed(b, jwt.MapClaims{
		"iss": "https://issuer.example/", "sub": "system:serviceaccount:ns:app", "aud": []string{"api://AzureADTokenExchange"},
		"exp": time.Now().Add(time.Hour).Unix(), "kubernetes.io": map[string]any{"namespace": "ns", "pod": map[string]any{"name": "app-0"}},
	})))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := source.Assertion(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
