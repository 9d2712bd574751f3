package credential_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/cache"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// recorder is a tracing backend that keeps its spans.
type recorder struct {
	mu    sync.Mutex
	spans []*span
}

// span is one span, in the order in which they start.
type span struct {
	name       string
	kind       tracing.SpanKind
	parent     *span
	attributes map[string]any
	status     tracing.SpanStatus
	statusText string
	events     []string
	ends       int
}

type spanKey struct{}

// provider returns a tracing provider for azcore. Like OpenTelemetry it keeps the span in the
// context.
func (r *recorder) provider() tracing.Provider {
	return tracing.NewProvider(func(string, string) tracing.Tracer { return tracing.NewTracer(r.start, nil) }, nil)
}

func (r *recorder) start(ctx context.Context, name string, options *tracing.SpanOptions) (context.Context, tracing.Span) {
	s := &span{name: name, kind: options.Kind, attributes: map[string]any{}}
	s.parent, _ = ctx.Value(spanKey{}).(*span)
	s.set(options.Attributes...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, s)
	return context.WithValue(ctx, spanKey{}, s), tracing.NewSpan(tracing.SpanImpl{
		End:           func() { r.locked(func() { s.ends++ }) },
		SetAttributes: func(attributes ...tracing.Attribute) { r.locked(func() { s.set(attributes...) }) },
		AddEvent: func(name string, attributes ...tracing.Attribute) {
			r.locked(func() { s.events = append(s.events, fmt.Sprint(name, attributes)) })
		},
		SetStatus: func(status tracing.SpanStatus, text string) {
			r.locked(func() { s.status, s.statusText = status, text })
		},
	})
}

func (r *recorder) locked(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (s *span) set(attributes ...tracing.Attribute) {
	for _, a := range attributes {
		s.attributes[a.Key] = a.Value
	}
}

// caller returns the context of a caller that has its own span.
func (r *recorder) caller() context.Context {
	ctx, _ := r.start(context.Background(), "caller", &tracing.SpanOptions{})
	return ctx
}

// named returns the spans with the name.
func (r *recorder) named(name string) []*span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*span
	for _, s := range r.spans {
		if s.name == name {
			found = append(found, s)
		}
	}
	return found
}

// tree returns the spans as NAME < PARENT, in starting order.
func (r *recorder) tree() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	tree := []string{}
	for _, s := range r.spans {
		line := s.name
		if s.parent != nil {
			line += " < " + s.parent.name
		}
		tree = append(tree, line)
	}
	return tree
}

// forget drops the recorded spans.
func (r *recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = nil
}

// text returns everything that a backend sees.
func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, s := range r.spans {
		fmt.Fprintln(&b, s.name, s.attributes, s.statusText, s.events)
	}
	return b.String()
}

// traced makes the rig's credential record its spans.
func (r *rig) traced() *recorder {
	spans := &recorder{}
	r.options.TracingProvider = spans.provider()
	return spans
}

func TestSpansOfAnExchangeThatACallerWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.options.TenantID = strings.ToUpper(tenantID)
		spans := r.traced()
		c := r.credential(t)
		_, err := c.GetToken(spans.caller(), scope(vault, "openid"))
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []string{"caller", "entrafed.GetToken < caller", "entrafed.Exchange", "HTTP POST < entrafed.Exchange"}, sorted(spans.tree()))
		request := r.Entra.Requests()[0]
		own := map[string]any{
			"entrafed.tenant_id":      tenantID, // always in lower case
			"entrafed.client_id":      clientID,
			"entrafed.grant_type":     "client_credentials",
			"entrafed.scope":          vault + " openid",
			"entrafed.correlation_id": request.CorrelationID,
			"entrafed.outcome":        "success",
		}
		for _, name := range []string{"entrafed.GetToken", "entrafed.Exchange"} {
			s := spans.named(name)[0]
			require.Equal(t, own, s.attributes)
			require.Equal(t, tracing.SpanKindInternal, s.kind)
			require.Equal(t, tracing.SpanStatusUnset, s.status)
			require.Equal(t, 1, s.ends)
		}
		post := spans.named("HTTP POST")[0]
		require.Equal(t, tracing.SpanKindClient, post.kind)
		require.Equal(t, 1, post.ends)
		require.NotEmpty(t, post.attributes["az.service_request_id"])
		require.Contains(t, post.attributes["http.user_agent"], "azsdk-go-entrafed/")
		delete(post.attributes, "az.service_request_id")
		delete(post.attributes, "http.user_agent")
		require.Equal(t, map[string]any{
			"http.method":      "POST",
			"http.url":         "https://login.microsoftonline.com/" + strings.ToUpper(tenantID) + "/oauth2/v2.0/token",
			"http.status_code": 200,
			"net.peer.name":    "login.microsoftonline.com",
		}, post.attributes)
	})
}

// sorted orders the lines of a tree whose branches started concurrently.
func sorted(tree []string) []string {
	rank := []string{"caller", "entrafed.GetToken", "entrafed.Exchange", "HTTP POST"}
	slices.SortStableFunc(tree, func(a, b string) int {
		a, _, _ = strings.Cut(a, " < ")
		b, _, _ = strings.Cut(b, " < ")
		return slices.Index(rank, a) - slices.Index(rank, b)
	})
	return tree
}

func TestSpansOfAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.options.PropagationTimeout = -1
		spans := r.traced()
		r.Entra.SetReply(new(entratest.Refuse(700213)))
		_, err := r.credential(t).GetToken(spans.caller(), scope(vault))
		require.Error(t, err)
		synctest.Wait()
		for _, name := range []string{"entrafed.GetToken", "entrafed.Exchange"} {
			s := spans.named(name)[0]
			require.Equal(t, "failure", s.attributes["entrafed.outcome"])
			require.Equal(t, r.Entra.Requests()[0].CorrelationID, s.attributes["entrafed.correlation_id"])
			require.Equal(t, tracing.SpanStatusError, s.status)
			require.Contains(t, s.statusText, "AADSTS700213")
			require.Equal(t, 1, s.ends)
		}
		require.Contains(t, spans.named("entrafed.GetToken")[0].statusText, `presented: issuer "`)
		post := spans.named("HTTP POST")[0]
		require.Equal(t, tracing.SpanStatusError, post.status)
		require.EqualValues(t, 401, post.attributes["http.status_code"])
		require.Equal(t, 1, post.ends)
	})
}

func TestEachCallerThatWaitsHasASpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		spans := r.traced()
		r.Entra.SetDelay(time.Second)
		c := r.credential(t)
		impatient, cancel := context.WithTimeout(spans.caller(), 100*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		for _, ctx := range []context.Context{spans.caller(), spans.caller(), impatient, context.Background()} {
			wg.Go(func() { _, _ = c.GetToken(ctx, scope(vault)) })
		}
		wg.Wait()
		synctest.Wait()
		require.Len(t, spans.named("entrafed.Exchange"), 1)
		waits := spans.named("entrafed.GetToken")
		require.Len(t, waits, 4)
		parents := map[*span]bool{}
		var outcomes []string
		for _, s := range waits {
			parents[s.parent] = true
			outcomes = append(outcomes, s.attributes["entrafed.outcome"].(string))
			require.Equal(t, r.Entra.Requests()[0].CorrelationID, s.attributes["entrafed.correlation_id"], "this ties it to the exchange")
			if s.status == tracing.SpanStatusError {
				require.Contains(t, s.statusText, "context deadline exceeded; the exchange was waiting for a reply")
			}
		}
		require.Len(t, parents, 4, "each a child of its caller's, one of none")
		require.ElementsMatch(t, []string{"success", "success", "failure", "success"}, outcomes)
		require.Equal(t, "success", spans.named("entrafed.Exchange")[0].attributes["entrafed.outcome"], "its own outcome")
	})
}

func TestNoSpanWhereNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.options.PropagationTimeout = -1
		spans := r.traced()
		c := r.credential(t)
		ctx := spans.caller()
		_, err := c.GetToken(ctx, scope(vault))
		require.NoError(t, err)
		synctest.Wait()

		spans.forget()
		_, err = c.GetToken(ctx, scope(vault))
		require.NoError(t, err)
		_, err = c.GetToken(ctx, scope())
		require.Error(t, err)
		require.Empty(t, spans.tree(), "a hit, or a request that cannot be made")

		r.Entra.SetReply(new(entratest.Refuse(700016)))
		_, err = c.GetToken(ctx, scope(storage))
		require.Error(t, err)
		spans.forget()
		_, err = c.GetToken(ctx, scope(storage))
		require.ErrorContains(t, err, "next attempt at")
		require.Empty(t, spans.tree(), "a failure that is remembered")
	})
}

func TestSpansOfABackgroundRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		spans := r.traced()
		c := r.credential(t)
		time.Sleep(time.Until(get(t, c, scope(vault)).RefreshOn))
		spans.forget()
		_, err := c.GetToken(spans.caller(), scope(vault))
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []string{"caller", "entrafed.Exchange", "HTTP POST < entrafed.Exchange"}, spans.tree())

		spans.forget()
		require.NoError(t, c.Prefetch(scope(storage)))
		synctest.Wait()
		require.Equal(t, []string{"entrafed.Exchange", "HTTP POST < entrafed.Exchange"}, spans.tree())
	})
}

func TestSpansOfRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		spans := r.traced()
		r.Entra.Enqueue(entratest.Unavailable(0), entratest.Refuse(700213))
		_, err := r.credential(t).GetToken(spans.caller(), scope(vault))
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []string{
			"caller", "entrafed.GetToken < caller",
			"entrafed.Exchange", "entrafed.Exchange",
			"HTTP POST < entrafed.Exchange", "HTTP POST < entrafed.Exchange", "HTTP POST < entrafed.Exchange",
		}, sorted(spans.tree()))
		both := spans.named("entrafed.Exchange")
		require.Equal(t, "failure", both[0].attributes["entrafed.outcome"])
		require.Equal(t, "success", both[1].attributes["entrafed.outcome"])
		require.Equal(t, both[0].attributes["entrafed.correlation_id"], both[1].attributes["entrafed.correlation_id"])
		posts := spans.named("HTTP POST")
		require.Same(t, both[0], posts[1].parent, "an HTTP retry is of the same exchange")
		require.Same(t, both[1], posts[2].parent)
	})
}

func TestSpansOfAChallenge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		spans := r.traced()
		c := r.credential(t)
		get(t, c, scope(vault))
		synctest.Wait()
		spans.forget()
		_, err := c.GetToken(spans.caller(), policy.TokenRequestOptions{Scopes: []string{vault}, EnableCAE: true, Claims: claimsSince(1700000000)})
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []string{"caller", "entrafed.GetToken < caller", "entrafed.Exchange", "HTTP POST < entrafed.Exchange"}, sorted(spans.tree()))
	})
}

func TestNoExchangeSpanWithoutAFederatedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.options.TokenFilePath = writeFile(t, "junk")
		spans := r.traced()
		_, err := r.credential(t).GetToken(spans.caller(), scope(vault))
		require.Error(t, err)
		synctest.Wait()
		require.Equal(t, []string{"caller", "entrafed.GetToken < caller"}, spans.tree())
		require.Contains(t, spans.named("entrafed.GetToken")[0].statusText, r.options.TokenFilePath)
	})
}

func TestNoSpanHoldsASecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.options.PropagationTimeout = -1
		spans := r.traced()
		c := r.credential(t)
		issued := get(t, c, policy.TokenRequestOptions{Scopes: []string{vault}, EnableCAE: true})
		assertion := r.Projection.Token()
		for _, reply := range []entratest.Reply{
			{Status: 400, Body: `{"error":"invalid_client","error_description":"AADSTS50027: bad ` + assertion + `"}`},
			{Status: 502, Body: "<html>" + assertion + "</html>"},
			{Status: 302, Header: map[string][]string{"Location": {"https://evil.example/?a=" + assertion}}},
			{Err: fmt.Errorf("proxy said %q", assertion)},
			{Status: 200, Body: `{"token_type":"Bearer","access_token":"` + issued.Token + `","expires_in":0}`},
		} {
			r.Entra.SetReply(&reply)
			_, err := c.GetToken(spans.caller(), scope(storage))
			require.Error(t, err)
			time.Sleep(cache.DefaultTimeout * 4)
		}
		text := spans.text()
		require.Contains(t, text, "entrafed.Exchange")
		for what, secret := range map[string]string{"assertion": assertion, "access token": issued.Token} {
			signature := secret[strings.LastIndex(secret, ".")+1:]
			for i := 0; i+8 <= len(signature); i++ {
				require.False(t, strings.Contains(text, signature[i:i+8]), what)
			}
		}
		for _, s := range append(spans.named("entrafed.Exchange"), spans.named("entrafed.GetToken")...) {
			require.Empty(t, s.events)
			require.Len(t, s.attributes, 6)
		}
	})
}

// TestDocumentationNamesEverySpanAndAttribute keeps docs/tracing.md and internal/trace consistent.
func TestDocumentationNamesEverySpanAndAttribute(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "../internal/trace/trace.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	page, err := os.ReadFile("../docs/tracing.md")
	require.NoError(t, err)
	var names []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if name, err := strconv.Unquote(literal.Value); assert.NoError(t, err) && strings.HasPrefix(name, "entrafed.") {
				names = append(names, name)
			}
		}
		return true
	})
	require.Len(t, names, 9)
	documented := regexp.MustCompile("`(entrafed\\.[\\w.]+)`").FindAllStringSubmatch(string(page), -1)
	found := map[string]bool{}
	for _, match := range documented {
		found[match[1]] = true
		require.Contains(t, names, match[1], "documented, but no more")
	}
	for _, name := range names {
		require.True(t, found[name], "%s is not documented", name)
	}
	for _, outcome := range []string{`"success"`, `"failure"`} {
		require.Contains(t, string(page), outcome)
	}
}
