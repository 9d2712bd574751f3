//go:build linux

package faults_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// Every row in this package ends with recorder.check, which searches everything that was said for
// secrets. These tests prove that the search works.

// bearing is an error whose Error hides a secret that other ways of printing show.
type bearing struct{ Secret any }

func (bearing) Error() string { return "nothing to see" }

func TestCheckerBites(t *testing.T) {
	var cluster entratest.Cluster
	assertion, err := cluster.Token(entratest.TokenRequest{})
	require.NoError(t, err)
	signature := assertion[strings.LastIndex(assertion, ".")+1:]
	piece := signature[100:108]

	plant := map[string]func(r *recorder, secret string){
		sinkError:                  func(r *recorder, s string) { r.error(errors.New(s)) },
		sinkError + ", wrapped":    func(r *recorder, s string) { r.error(hidden{errors.New(s)}) },
		sinkError + ", joined":     func(r *recorder, s string) { r.error(hidden{errors.Join(io.EOF, hidden{errors.New(s)})}) },
		sinkError + ", in a field": func(r *recorder, s string) { r.error(fmt.Errorf("x: %w", bearing{s})) },
		sinkError + ", as bytes":   func(r *recorder, s string) { r.error(bearing{[]byte(s)}) },
		sinkLog:                    func(r *recorder, s string) { options(r).Logger.Info(s) },
		sinkLog + ", attribute":    func(r *recorder, s string) { options(r).Logger.Debug("x", "k", errors.New(s)) },
		sinkLog + ", group":        func(r *recorder, s string) { options(r).Logger.WithGroup("g").With("k", s).Warn("x") },
		sinkLog + ", bytes":        func(r *recorder, s string) { options(r).Logger.Warn("x", "k", fmt.Sprintf("%x", s)) },
		sinkAzcore:                 func(r *recorder, s string) { azcoreLog("Request", "POST\n"+s) },
		sinkSpan:                   func(r *recorder, s string) { startSpan(r, s) },
		sinkSpan + ", status":      func(r *recorder, s string) { startSpan(r, "x").SetStatus(tracing.SpanStatusError, s) },
		sinkSpan + ", attribute":   func(r *recorder, s string) { startSpan(r, "x").SetAttributes(tracing.Attribute{Key: "k", Value: s}) },
		sinkSpan + ", event": func(r *recorder, s string) {
			startSpan(r, "x").AddEvent("e", tracing.Attribute{Key: "k", Value: []byte(s)})
		},
		sinkEvent: func(r *recorder, s string) {
			options(r).OnExchange(credential.ExchangeEvent{Err: fmt.Errorf("x: %s", s)})
		},
		sinkEvent + ", field":        func(r *recorder, s string) { options(r).OnExchange(credential.ExchangeEvent{CorrelationID: s}) },
		sinkStatus:                   func(r *recorder, s string) { r.status([]credential.KeyStatus{{LastError: "x " + s}}) },
		sinkStatus + ", doing":       func(r *recorder, s string) { r.status([]credential.KeyStatus{{}, {Doing: s}}) },
		sinkPrint:                    func(r *recorder, s string) { r.print(credential.Options{ClientID: s}) },
		sinkPrint + ", typed":        func(r *recorder, s string) { r.print(&exchange.Error{SubError: s}) },
		sinkPrint + ", Go's bytes":   func(r *recorder, s string) { r.print(fmt.Sprintf("%#v", []byte(s))) },
		sinkPrint + ", upper hex":    func(r *recorder, s string) { r.print(fmt.Sprintf("%X", s)) },
		sinkPrint + ", in a context": func(r *recorder, s string) { r.print(context.WithValue(t.Context(), ctxKey{}, s)) },
	}
	secret := map[string]string{
		"assertion":                assertion,
		"signature's piece":        piece,
		"piece in a word":          "signature=" + piece + "...",
		"piece in lower case":      strings.ToLower(piece),
		"signature's end":          signature[len(signature)-8:],
		"claims":                   strings.Split(assertion, ".")[1],
		"access token":             accessToken,
		"access token's signature": accessToken[len(accessToken)-12:],
	}
	for sink, plant := range plant {
		for what, s := range secret {
			r := newRecorder()
			r.attach(&credential.Options{})
			r.secret(assertion)
			innocent(r)
			require.Empty(t, r.leaks(), "nothing is planted yet")
			plant(r, s)
			leaks := r.leaks()
			listening.Delete(r)
			if assert.Len(t, leaks, 1, "%s in %s", what, sink) {
				place, _, _ := strings.Cut(sink, ",")
				assert.True(t, strings.HasPrefix(leaks[0], place+": "), "%s in %s: found in %s", what, sink, leaks[0])
			}
		}
	}
}

type hidden struct{ error }

func (h hidden) Error() string { return "x" }
func (h hidden) Unwrap() error { return h.error }

type ctxKey struct{}

// innocent says things that resemble secrets but are not.
func innocent(r *recorder) {
	id := "0123abcd-4567-4789-8abc-0123456789ab"
	r.error(fmt.Errorf("credential: no token for scope %q, client ID %q, tenant %q: [redacted]; correlation ID %s", storage, clientID, tenantID, id))
	r.print(base64.RawURLEncoding.EncodeToString([]byte("the claims of a token that is another")), []byte("innocence"))
	options(r).Logger.Info("x", "issuer", entratest.DefaultIssuer, "n", int64(1234567890123456789))
}

// options returns options that report everything to r.
func options(r *recorder) *credential.Options {
	o := &credential.Options{}
	r.attach(o)
	return o
}

func startSpan(r *recorder, name string) tracing.Span {
	tracer := options(r).TracingProvider.NewTracer("", "")
	_, span := tracer.Start(context.Background(), name, nil)
	return span
}
