package redact_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/redact"
)

const signature = "QWxGz3n8Rk5Tb7Jp-0aYcVdHe_4fUi1gMo2hKj6lNm9qLrPsSt"

var (
	header    = segment(`{"alg":"RS256","kid":"k1"}`)
	assertion = header + "." + segment(`{"sub":"system:serviceaccount:shop:orders"}`) + "." + signature
)

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestWordsWithAPieceOfTheAssertionAreHidden(t *testing.T) {
	r := redact.New(assertion)
	for text, want := range map[string]string{
		"":                                   "",
		"you sent " + assertion + ", twice":  "you sent [redacted], twice",
		"'" + assertion + "'":                "'[redacted]'",
		signature[:8]:                        "[redacted]",
		signature[:7]:                        signature[:7],
		signature[:7] + " " + signature[7:9]: signature[:7] + " " + signature[7:9],
		signature[:7] + "+" + signature[8:]:  "[redacted]",
		signature[:7] + "+" + signature[8:9]: signature[:7] + "+" + signature[8:9],
		signature[len(signature)-8:]:         "[redacted]",
		header[:9]:                           "[redacted]",
		strings.ToUpper(signature[8:16]):     "[redacted]",
		strings.ToLower(signature):           "[redacted]",
		"x=" + signature[20:28] + "==&y=z":   "[redacted]&y=z",
		"https://h/?" + signature + "#ä":     "https://h/?[redacted]#ä",
		"ä" + signature + "\xff":             "ä[redacted]\xff",
	} {
		assert.Equal(t, want, r.Clean(text), text)
		assert.Equal(t, want, r.Clean(want), "clean text stays")
	}
	for i := range len(assertion) - 7 {
		found := assertion[i : i+8]
		assert.Equal(t, "[redacted]", r.Clean(found), "at %d", i)
		assert.Equal(t, "x [redacted] y", r.Clean("x zz"+found+"zz y"), "at %d, in a word", i)
	}
	assert.Equal(t, signature, redact.New().Clean(signature), "not this Redactor's assertion")
	assert.Equal(t, "short", redact.New("short").Clean("short"), "fewer than eight characters give nothing away")
}

func TestPieceMayHoldEveryCharacterOfAToken(t *testing.T) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~+/=%" {
		word := "QWx" + string(c) + "Gz3n"
		assert.Equal(t, redact.Mark, redact.New(word).Clean(word), word)
	}
}

// An echoed token is a secret even if it is not the assertion.
func TestWordsThatLookLikeAJWTAreHidden(t *testing.T) {
	encrypted := segment(`{"alg":"RSA-OAEP","enc":"A256GCM"}`)
	r := redact.New()
	for text, want := range map[string]string{
		"Bearer " + assertion:                     "Bearer [redacted]",
		`{"jwt":"` + assertion + `"}`:             `{"jwt":"[redacted]"}`,
		"without a signature " + header + ".e30.": "without a signature [redacted]",
		"encrypted " + encrypted + ".a.b.c.d":     "encrypted [redacted]",
		"the beginning, " + header:                "the beginning, [redacted]",
		"the end: c" + assertion[20:]:             "the end: [redacted]",
		"t%3D" + assertion:                        "[redacted]",
		"too short to be one, " + header[:19]:     "too short to be one, " + header[:19],
		"just long enough, " + header[:20]:        "just long enough, [redacted]",
	} {
		assert.Equal(t, want, r.Clean(text), text)
		assert.Equal(t, want, r.Clean(want), "clean text stays")
	}
}

func TestHelpfulTextStays(t *testing.T) {
	r := redact.New(assertion)
	for _, text := range []string{
		"AADSTS700213: No matching federated identity record found for presented assertion subject 'system:serviceaccount:shop:orders'.",
		"Trace ID: f9b2a1c3-0000-4000-8000-0000000000aa Timestamp: 2024-08-05 10:07:04Z",
		"https://login.microsoftonline.com/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/oauth2/v2.0/token",
		"/subscriptions/s/resourceGroups/keyJson/providers/p",
		base64.StdEncoding.EncodeToString([]byte("Basic authentication is off")),
		segment(`["an array"]`), segment("<html></html>"),
		redact.Mark, "…", "日本語 — ünïcödé \U0001F600",
	} {
		assert.Equal(t, text, r.Clean(text))
		assert.Equal(t, text, r.Text(text, redact.MaxText))
	}
}

func TestTextIsOneClippedLine(t *testing.T) {
	r := redact.New(assertion)
	for _, row := range []struct {
		text string
		n    int
		want string
	}{
		{" a\r\n\tb\u2028c\u0085\u00a0d ", 100, "a b c d"},
		{"a\x00b\x1b[31mc\x7f\u202ed\u200be", 100, "ab[31mcde"},
		{"\xff\xfe", 100, "\ufffd\ufffd"},
		{"exactly", 7, "exactly"},
		{"one more", 7, "one mor…"},
		{"aä", 2, "a…"},
		{"aä", 3, "aä"},
		{"日本語", 4, "日…"},
		{"ä", 1, "…"},
		{"ä", 0, "…"},
		{"\x80\x80", 1, "…"},
		{"", 0, ""},
		{"you sent " + signature, 9 + 8, "you sent [redacted]…"},
		{"you sent " + signature, 9 + 7, "you sent " + signature[:7] + "…"},
		{signature[:7] + "\n" + signature[7:10], 100, signature[:7] + " " + signature[7:10]},
	} {
		got := r.Text(row.text, row.n)
		assert.Equal(t, row.want, got, "%q", row.text)
		assert.Equal(t, got, r.Text(got, max(row.n, len(got))), "safe text stays")
		assert.True(t, utf8.ValidString(got))
	}
	long := r.Text(strings.Repeat("ä ", 1<<20), redact.MaxName)
	assert.LessOrEqual(t, len(long), redact.MaxName+len("…"))
}

// said is an error type of this test.
type said struct{ text string }

func (e *said) Error() string { return e.text }

func TestSafeErrorIsLeftAlone(t *testing.T) {
	r := redact.New(assertion)
	for _, err := range []error{io.EOF, &said{"no route to host"}, fmt.Errorf("read: %w", io.ErrUnexpectedEOF), &said{strings.Repeat("x", redact.MaxText)}} {
		assert.Same(t, err, r.Error(err))
	}
}

// Long or multi-line text is not secret. Programs still find the wrapped error, and azcore may
// retry.
func TestErrorOfManyWordsOrLinesIsTidied(t *testing.T) {
	r := redact.New(assertion)
	for text, want := range map[string]string{
		"two\nlines":                          "two lines",
		strings.Repeat("x", redact.MaxText+1): strings.Repeat("x", redact.MaxText) + "…",
	} {
		cause := &said{text}
		err := r.Error(cause)
		require.EqualError(t, err, want)
		found, ok := errors.AsType[*said](err)
		require.True(t, ok)
		assert.Same(t, cause, found)
		assert.NotErrorAs(t, err, new(interface{ NonRetriable() }))
		assert.Same(t, err, r.Error(err), "nothing is left to tidy")
	}
}

// An error that quotes a secret cannot be unwrapped, but errors.Is still finds its causes.
func TestErrorThatQuotesASecretIsHidden(t *testing.T) {
	for _, text := range []string{"you sent " + assertion, "line\n" + signature, strings.Repeat("x ", redact.MaxText) + signature} {
		cause := &said{text}
		err := redact.New(assertion).Error(fmt.Errorf("%w: %w", cause, io.ErrUnexpectedEOF))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.NotErrorAs(t, err, new(*said))
		assert.ErrorAs(t, err, new(interface{ NonRetriable() }))
		assert.LessOrEqual(t, len(err.Error()), redact.MaxText+len("…"))
		for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%x"} {
			printed := fmt.Sprintf(verb, err)
			assert.NotContains(t, printed, signature[:8])
			assert.NotContains(t, printed, "\n")
		}
	}
}

// Invisible characters within a secret must not hide it from this package, because they do not hide
// it from a reader.
func TestInvisibleCharactersDoNotHideASecret(t *testing.T) {
	spaced := func(s, with string) string { return strings.Join(strings.Split(s, ""), with) }
	for name, between := range map[string]string{
		"UTF-16": "\x00", "UTF-32": "\x00\x00\x00", "soft hyphens": "\u00ad", "zero-width spaces": "\u200b", "word joiners": "\u2060", "escapes": "\x1b",
	} {
		t.Run(name, func(t *testing.T) {
			for what, r := range map[string]redact.Redactor{"the assertion's": redact.New(assertion), "any": redact.New()} {
				text := "sent " + spaced(assertion, between) + " twice"
				assert.Equal(t, "sent [redacted] twice", r.Clean(text), what)
				assert.Equal(t, "sent [redacted] twice", r.Text(text, redact.MaxText), what)
				assert.EqualError(t, r.Error(&said{text}), "sent [redacted] twice", what)
			}
			assert.Equal(t, "plain", redact.New(assertion).Text(spaced("plain", between), 100))
		})
	}
	harmless := "\x1b[31mred\x00"
	assert.Equal(t, harmless, redact.New(assertion).Clean(harmless), "Clean changes nothing but secrets")
}

// random returns n characters of base64url that are the same in every run.
func random(seed byte, n int) string {
	raw := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)[:n]
}

func TestPiecesOfALongAssertion(t *testing.T) {
	long := random(1, 128<<10)
	r := redact.New(long)
	for i := 0; i+8 <= len(long); i += 997 {
		assert.Equal(t, redact.Mark, r.Clean(long[i:i+8]), "at %d", i)
	}
	other := random(2, 64<<10)
	assert.Equal(t, other, r.Clean(other))
}

// cost returns how long it takes to find nothing in a text half as long as the assertion.
func cost(tb testing.TB, size int) time.Duration {
	long, text := random(1, size), random(2, size/2)
	start := time.Now()
	if redact.New(long).Clean(text) != text {
		tb.Fatal("it holds no piece")
	}
	return time.Since(start)
}

// The sender of the text or the assertion must not control how much CPU time an exchange takes.
func TestCostIsLinear(t *testing.T) {
	small, large := cost(t, 4<<10), cost(t, 16<<10)
	for round := 0; round < 10 || large >= 10*small; round++ { // other programs use these CPUs too
		if round == 100 {
			t.Fatalf("%s, and %s for four times the text and assertion; quadratic cost would be 16 times as much", small, large)
		}
		small, large = min(small, cost(t, 4<<10)), min(large, cost(t, 16<<10))
	}
}

func BenchmarkClean(b *testing.B) {
	for _, size := range []int{2 << 10, 8 << 10, 32 << 10, 128 << 10} {
		b.Run(fmt.Sprint(size>>10, "kB"), func(b *testing.B) {
			b.SetBytes(int64(size / 2))
			b.ReportAllocs()
			for b.Loop() {
				cost(b, size)
			}
		})
	}
}
