package redact_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
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
		assert.Equal(t, want, r.Clean(want), "what is clean stays")
	}
	for i := range len(assertion) - 7 {
		found := assertion[i : i+8]
		assert.Equal(t, "[redacted]", r.Clean(found), "at %d", i)
		assert.Equal(t, "x [redacted] y", r.Clean("x zz"+found+"zz y"), "at %d, in a word", i)
	}
	assert.Equal(t, signature, redact.New("").Clean(signature), "of another assertion")
	assert.Equal(t, "short", redact.New("short").Clean("short"), "fewer than eight characters give nothing away")
}

func TestPieceMayHoldEveryCharacterOfAToken(t *testing.T) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~+/=%" {
		word := "QWx" + string(c) + "Gz3n"
		assert.Equal(t, redact.Mark, redact.New(word).Clean(word), word)
	}
}

// Whoever throws a token back that is not the assertion, throws back a secret, too.
func TestWordsThatLookLikeAJWTAreHidden(t *testing.T) {
	encrypted := segment(`{"alg":"RSA-OAEP","enc":"A256GCM"}`)
	r := redact.New("")
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
		assert.Equal(t, want, r.Clean(want), "what is clean stays")
	}
}

func TestWhatHelpsStays(t *testing.T) {
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

func TestTextIsOneLineThatIsClipped(t *testing.T) {
	r := redact.New(assertion)
	for _, row := range []struct {
		text string
		n    int
		want string
	}{
		{" a\r\n\tb\u2028c\u0085\u00a0d ", 100, "a b c d"},
		{"a\x00b\x1b[31mc\x7f\u202ed\u200be", 100, "a b [31mc d e"},
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
		assert.Equal(t, got, r.Text(got, max(row.n, len(got))), "what is fit stays")
		assert.True(t, utf8.ValidString(got))
	}
	long := r.Text(strings.Repeat("ä ", 1<<20), redact.MaxName)
	assert.LessOrEqual(t, len(long), redact.MaxName+len("…"))
}

// said is an error of a type of its own.
type said struct{ text string }

func (e *said) Error() string { return e.text }

func TestErrorThatIsFitToPrintIsLeftAlone(t *testing.T) {
	r := redact.New(assertion)
	for _, err := range []error{io.EOF, &said{"no route to host"}, fmt.Errorf("read: %w", io.ErrUnexpectedEOF), &said{strings.Repeat("x", redact.MaxText)}} {
		assert.Same(t, err, r.Error(err))
	}
}

// Words and lines are no secrets: programs still find what the error leads to, and azcore what may be tried again.
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
		assert.Same(t, err, r.Error(err), "once is enough")
	}
}

// What quotes a secret is not to be had from the error: only what it is.
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

// A transport may hand over as much as it likes: twice the text may take twice the time, not four times.
func BenchmarkClean(b *testing.B) {
	r := redact.New(assertion + strings.Repeat("x1-", 500))
	for _, size := range []int{64 << 10, 128 << 10} {
		b.Run(fmt.Sprint(size>>10, "kB"), func(b *testing.B) {
			word := strings.Repeat("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789--", size/64)
			b.SetBytes(int64(size))
			for b.Loop() {
				if r.Clean(word) != word {
					b.Fatal("it holds no piece")
				}
			}
		})
	}
}
