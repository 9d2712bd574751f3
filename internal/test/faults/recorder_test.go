//go:build linux

package faults_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
	"github.com/stretchr/testify/assert"

	"github.com/entrafed/entrafed/credential"
)

// listening holds the recorders that receive azcore's log. A process has only one listener, so each
// row also records the others that run at the same time. That does no harm, because it knows only
// its own secrets.
var listening sync.Map

func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AZURE_") {
			_ = os.Unsetenv(name)
		}
	}
	log.SetOutput(io.Discard) // net/http logs connections that misbehave, and quotes them
	azlog.SetListener(azcoreLog)
	m.Run()
}

// The places where a secret could appear.
const (
	sinkError  = "error"
	sinkLog    = "log"
	sinkAzcore = "azcore's log"
	sinkSpan   = "span"
	sinkEvent  = "event"
	sinkStatus = "status"
	sinkPrint  = "printed value"
)

// recorder collects everything that a credential says, and the secrets that it must not say.
type recorder struct {
	mu      sync.Mutex
	said    map[string]map[string]bool // texts by sink
	known   map[string]bool            // secrets already added
	secrets secrets
}

func newRecorder() *recorder {
	r := &recorder{said: map[string]map[string]bool{}, known: map[string]bool{}, secrets: secrets{pieces: map[string]bool{}}}
	r.secrets.add(accessToken)
	return r
}

func (r *recorder) say(sink string, texts ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said[sink] == nil {
		r.said[sink] = map[string]bool{}
	}
	for _, text := range texts {
		r.said[sink][text] = true
	}
}

func (r *recorder) secret(tokens ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, token := range tokens {
		if !r.known[token] {
			r.known[token] = true
			r.secrets.add(token)
		}
	}
}

// attach makes the options report everything to the recorder, in addition to the hooks already set.
func (r *recorder) attach(o *credential.Options) {
	handler := slog.NewMultiHandler(
		slog.NewJSONHandler(writer{r}, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}),
		slog.NewTextHandler(writer{r}, &slog.HandlerOptions{Level: slog.LevelDebug}),
	)
	if o.Logger != nil {
		handler = slog.NewMultiHandler(handler, o.Logger.Handler())
	}
	o.Logger = slog.New(handler)
	next := o.OnExchange
	o.OnExchange = func(e credential.ExchangeEvent) {
		r.event(e)
		if next != nil {
			next(e)
		}
	}
	o.TracingProvider = r.tracing()
	o.Logging.IncludeBody = true
	o.Logging.AllowedHeaders = append(o.Logging.AllowedHeaders, "X-Echo", "Location")
	listening.Store(r, true)
}

type writer struct{ *recorder }

func (w writer) Write(p []byte) (int, error) {
	w.say(sinkLog, string(p))
	return len(p), nil
}

func azcoreLog(event azlog.Event, text string) {
	listening.Range(func(r, _ any) bool {
		r.(*recorder).say(sinkAzcore, string(event), text)
		return true
	})
}

func (r *recorder) event(e credential.ExchangeEvent) {
	r.say(sinkEvent, prints(e)...)
	r.say(sinkEvent, tree(e.Err)...)
}

func (r *recorder) error(err error) { r.say(sinkError, tree(err)...) }

func (r *recorder) status(all []credential.KeyStatus) {
	r.say(sinkStatus, prints(all)...)
}

func (r *recorder) print(values ...any) {
	for _, v := range values {
		r.say(sinkPrint, prints(v)...)
	}
}

func (r *recorder) tracing() tracing.Provider {
	return tracing.NewProvider(func(name, version string) tracing.Tracer {
		return tracing.NewTracer(func(ctx context.Context, name string, o *tracing.SpanOptions) (context.Context, tracing.Span) {
			r.say(sinkSpan, name)
			set := func(attributes ...tracing.Attribute) {
				for _, a := range attributes {
					r.say(sinkSpan, a.Key, fmt.Sprintf("%v %+v", a.Value, a.Value))
				}
			}
			set(o.Attributes...)
			return ctx, tracing.NewSpan(tracing.SpanImpl{
				End:           func() {},
				SetAttributes: set,
				AddEvent:      func(name string, attributes ...tracing.Attribute) { r.say(sinkSpan, name); set(attributes...) },
				SetStatus:     func(_ tracing.SpanStatus, text string) { r.say(sinkSpan, text) },
			})
		}, nil)
	}, nil)
}

// prints returns the ways in which v can be printed.
func prints(v any) []string {
	texts := []string{fmt.Sprintf("%v", v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v)}
	if b, err := json.Marshal(v); err == nil {
		texts = append(texts, string(b))
	}
	return texts
}

// tree prints every error that errors.As can find in err.
func tree(err error) []string {
	if err == nil {
		return nil
	}
	texts := append(prints(err), err.Error())
	switch e := any(err).(type) { // as errors.As does
	case interface{ Unwrap() error }:
		texts = append(texts, tree(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			texts = append(texts, tree(err)...)
		}
	}
	return texts
}

// leaks returns the sinks that contain a secret.
func (r *recorder) leaks() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var leaks []string
	for sink, texts := range r.said {
		for text := range texts {
			if piece := r.secrets.in(text); piece != "" {
				leaks = append(leaks, fmt.Sprintf("%s: %q in %.2000q", sink, piece, text))
				break
			}
		}
	}
	slices.Sort(leaks)
	return leaks
}

// check fails the test if any sink contains a secret, or if one of these sinks is empty. It waits
// for hooks, because nothing else does.
func (r *recorder) check(t *testing.T, sinks ...string) {
	t.Helper()
	assert.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return !slices.ContainsFunc(sinks, func(sink string) bool { return len(r.said[sink]) == 0 })
	}, 10*time.Second, time.Millisecond, "every sink received something")
	listening.Delete(r)
	assert.Empty(t, r.leaks(), "secrets")
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, sink := range sinks {
		assert.NotEmpty(t, r.said[sink], "nothing was recorded from the %s", sink)
	}
}

// secrets holds the pieces of tokens that must not appear, in lower case.
type secrets struct {
	pieces map[string]bool
	starts [1 << 15]bool // what pieces start with, because most text needs no map lookup
}

const (
	signaturePiece = 8 // 48 bits of a signature
	// Header and claims are not secret themselves, but nothing except a leaked token prints them in
	// base64.
	otherPiece = 20
)

// add adds a JWT, or anything else that is secret as a whole.
func (s *secrets) add(token string) {
	parts := strings.Split(strings.TrimSpace(token), ".")
	for i, part := range parts {
		size := signaturePiece
		if len(parts) == 3 && i < 2 {
			size = otherPiece
		}
		part = strings.ToLower(part)
		for j := 0; j+size <= len(part); j++ {
			s.pieces[part[j:j+size]] = true
			s.starts[start(part[j:])] = true
		}
	}
}

func start(s string) int { return int(s[0])&31<<10 | int(s[1])&31<<5 | int(s[2])&31 }

// in returns a piece that text contains, as text or as bytes in one of fmt's formats, or "".
func (s *secrets) in(text string) string {
	for _, form := range []string{text, decoded(text)} {
		form = strings.ToLower(form)
		for i := 0; i+signaturePiece <= len(form); i++ {
			if !s.starts[start(form[i:])] {
				continue
			}
			if piece := form[i : i+signaturePiece]; s.pieces[piece] {
				return piece
			}
			if i+otherPiece <= len(form) && s.pieces[form[i:i+otherPiece]] {
				return form[i : i+otherPiece]
			}
		}
	}
	return ""
}

// decoded returns the bytes that text contains in decimal (%v) or hexadecimal (%x, %X, %#v) form.
func decoded(text string) string {
	var b strings.Builder
	for word := range strings.FieldsFuncSeq(text, func(c rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEFx", c) }) {
		if raw, err := hex.DecodeString(strings.TrimPrefix(word, "0x")); err == nil && (len(raw) >= signaturePiece || strings.HasPrefix(word, "0x")) {
			b.Write(raw)
		} else if n, err := strconv.ParseUint(word, 10, 8); err == nil {
			b.WriteByte(byte(n))
		} else {
			b.WriteByte('\n')
		}
	}
	return b.String()
}
