package exchange_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

// following is a transport whose redirects this package cannot see.
type following struct{ client *http.Client }

func (f following) Do(r *http.Request) (*http.Response, error) { return f.client.Do(r) }

// thief is the target of a redirect. It gives everybody a token.
type thief struct {
	mu   sync.Mutex
	seen []string
}

func (s *thief) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	dump, _ := httputil.DumpRequest(r, true)
	s.mu.Lock()
	s.seen = append(s.seen, string(dump))
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, success)
}

func (s *thief) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

var transports = map[string]func(*http.Client) policy.Transporter{
	"http.Client": func(c *http.Client) policy.Transporter { return c },
	"http.Client with CheckRedirect": func(c *http.Client) policy.Transporter {
		copied := *c
		copied.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
		return &copied
	},
	"wrapped http.Client":  func(c *http.Client) policy.Transporter { return following{c} },
	"embedded http.Client": func(c *http.Client) policy.Transporter { return struct{ *http.Client }{c} },
}

func TestNoRedirectIsFollowed(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			for name, wrap := range transports {
				t.Run(name+"/"+strconv.Itoa(status)+"/http2="+strconv.FormatBool(http2), func(t *testing.T) {
					second := &thief{}
					elsewhere := httptest.NewUnstartedServer(second)
					elsewhere.EnableHTTP2 = http2
					elsewhere.StartTLS()
					t.Cleanup(elsewhere.Close)
					var arrived int
					first, o := serve(t, http2, func(w http.ResponseWriter, r *http.Request) {
						arrived++
						_ = r.ParseForm()
						assert.Equal(t, assertion, r.PostForm.Get("client_assertion"))
						http.Redirect(w, r, elsewhere.URL+"/steal", status)
					})
					o.Transport = wrap(first.Client())
					o.Retry.MaxRetries = 2 // a redirect must not be retried
					o.Retry.RetryDelay = time.Nanosecond
					token, err := exchangeAt(t, o)
					require.Error(t, err)
					assert.Zero(t, token)
					assert.Contains(t, err.Error(), "redirect")
					assert.Contains(t, err.Error(), strings.TrimPrefix(elsewhere.URL, "https://"))
					assert.NotContains(t, err.Error(), accessToken)
					assert.Equal(t, 1, arrived)
					for _, dump := range second.requests() {
						assertNoSecret(t, dump)
					}
					if strings.HasPrefix(name, "http.Client") || status >= 307 {
						assert.Empty(t, second.requests(), "it got no request")
						e, ok := errors.AsType[*exchange.Error](err)
						require.True(t, ok)
						assert.Equal(t, status, e.StatusCode)
					}
				})
			}
		}
	}
}

// A redirect within the host is refused too: the token endpoint is fixed.
func TestRedirectToTheSameHostIsNotFollowed(t *testing.T) {
	var paths []string
	s, o := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	_, err := exchangeAt(t, o)
	require.ErrorContains(t, err, "redirect")
	assert.Contains(t, err.Error(), strings.TrimPrefix(s.URL, "https://"))
	assert.Equal(t, []string{"/" + tenantID + "/oauth2/v2.0/token"}, paths)
}

func TestRedirectWithoutAUsableLocation(t *testing.T) {
	for _, location := range []string{"", ":", "https://%zz", "https://a b"} {
		e := refused(t, doFunc(func(*http.Request) (*http.Response, error) {
			r := reply(302, "text/html", "")
			if location != "" {
				r.Header.Set("Location", location)
			}
			return r, nil
		}))
		assert.Equal(t, 302, e.StatusCode)
		assert.NotContains(t, e.Error(), `""`)
	}
}

// A Location header means a redirect only with a redirect status.
func TestOnlyARedirectNamesItsTarget(t *testing.T) {
	for status, redirects := range map[int]bool{201: false, 299: false, 300: true, 308: true, 399: true, 400: false, 503: false} {
		e := refused(t, doFunc(func(*http.Request) (*http.Response, error) {
			r := reply(status, "text/html", "")
			r.Header.Set("Location", "https://elsewhere.example/")
			return r, nil
		}))
		assert.Equal(t, redirects, strings.Contains(e.Error(), `a redirect to "elsewhere.example"`), "%d: %v", status, e)
	}
}

// A body that cannot be read twice cannot be sent twice, whatever a transport does with a 307.
func TestTransportCannotReplayTheBody(t *testing.T) {
	calls := 0
	_, err := do(t, doFunc(func(r *http.Request) (*http.Response, error) {
		calls++
		assert.Nil(t, r.GetBody)
		assert.Contains(t, body(t, r), url.QueryEscape(assertion))
		return reply(200, "application/json", success), nil
	}))
	require.NoError(t, err)
	assert.Equal(t, 1, calls)
}

// A policy above the transport still gets a request that it can retry.
func TestPoliciesMayRetry(t *testing.T) {
	var bodies []string
	o := &exchange.ClientOptions{}
	o.Retry.RetryDelay = time.Nanosecond
	o.Transport = doFunc(func(r *http.Request) (*http.Response, error) {
		bodies = append(bodies, body(t, r))
		return reply(500, "text/plain", ""), nil
	})
	_, err := newClient(t, o).Exchange(t.Context(), request())
	require.Error(t, err)
	require.Len(t, bodies, 4)
	for _, b := range bodies {
		assert.Equal(t, bodies[0], b)
		assert.NotEmpty(t, b)
	}
}
