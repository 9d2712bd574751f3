package entratest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestErrorReplyHasEntrasShape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(entratest.Server)
		s.Enqueue(entratest.Refuse(700016))
		r := post(t, validForm(t))
		r.Header.Set("client-request-id", clientID)
		r.Header.Set("return-client-request-id", "true")
		reply, body := do(t, s, r)
		trace := reply.Header.Get("x-ms-request-id")

		assert.Equal(t, http.StatusBadRequest, reply.StatusCode)
		assert.Equal(t, clientID, reply.Header.Get("client-request-id"))
		assert.JSONEq(t, `{
			"error": "unauthorized_client",
			"error_description": "AADSTS700016: Application with identifier '`+clientID+`' was not found in the directory 'contoso'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant. Trace ID: `+trace+` Correlation ID: `+clientID+` Timestamp: 2000-01-01 00:00:00Z",
			"error_codes": [700016],
			"timestamp": "2000-01-01 00:00:00Z",
			"trace_id": "`+trace+`",
			"correlation_id": "`+clientID+`",
			"error_uri": "https://login.microsoftonline.com/error?code=700016"
		}`, body)
	})
}

func TestCorrelationIDIsTheClientsIfItIsAGUID(t *testing.T) {
	for name, row := range map[string]struct {
		id, echo     string
		taken, shown bool
	}{
		"GUID, echo":    {clientID, "true", true, true},
		"GUID, no echo": {clientID, "false", true, false},
		"not a GUID":    {"mine", "true", false, false},
		"none":          {"", "true", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(entratest.Server)
			r := post(t, nil)
			r.Header.Set("client-request-id", row.id)
			r.Header.Set("return-client-request-id", row.echo)
			reply, body := do(t, s, r)
			got := decode[errorReply](t, body).CorrelationID
			assert.Len(t, got, 36)
			assert.Equal(t, row.taken, got == row.id)
			assert.Equal(t, row.shown, reply.Header.Get("client-request-id") != "")
			assert.Equal(t, got, s.Requests()[0].CorrelationID)
		})
	}
}

func TestRefuseFillsInTheRequest(t *testing.T) {
	s := new(entratest.Server)
	for code, text := range map[int]string{
		70021:   "Assertion Issuer: '" + entratest.DefaultIssuer + "'. Assertion Subject: 'system:serviceaccount:default:default'. Assertion Audience: 'api://AzureADTokenExchange'.",
		700211:  "presented assertion issuer '" + entratest.DefaultIssuer + "'.",
		700212:  "presented assertion audience 'api://AzureADTokenExchange'.",
		700213:  "presented assertion subject 'system:serviceaccount:default:default'.",
		90002:   "Tenant 'contoso' not found.",
		500011:  "The resource principal named https://vault.azure.net was not found in the tenant named contoso.",
		7000272: "The certificate with identifier '",
		50034:   "The user account mia@contoso.example does not exist in the contoso directory.",
		500131:  "audience is '" + clientID + "'",
		70003:   "unsupported grant type 'client_credentials'",
		900561:  "only accepts POST requests. Received a POST request.",
		900144:  "the following parameter: 'client_assertion'",
	} {
		s.Enqueue(entratest.Refuse(code))
		_, body := do(t, s, post(t, with(validForm(t), "username", "mia@contoso.example")))
		got := decode[errorReply](t, body)
		assert.Contains(t, got.ErrorDescription, text)
		assert.True(t, strings.HasPrefix(got.ErrorDescription, "AADSTS"+strconv.Itoa(code)+": "), got.ErrorDescription)
		assert.NotContains(t, got.ErrorDescription, "{")
	}
}

func TestRefuseWithoutARequestToQuote(t *testing.T) {
	s := new(entratest.Server)
	s.Enqueue(entratest.Refuse(70021), entratest.Refuse(4711))
	reply, body := do(t, s, post(t, nil))
	assert.Equal(t, http.StatusUnauthorized, reply.StatusCode)
	assert.Contains(t, body, "Assertion Issuer: ''")
	reply, body = do(t, s, post(t, nil))
	assert.Equal(t, http.StatusBadRequest, reply.StatusCode)
	assert.Equal(t, "invalid_request", decode[errorReply](t, body).Error)
	assert.Equal(t, []int{4711}, decode[errorReply](t, body).ErrorCodes)
}

func TestRefuseWithAnotherStatusAndHeader(t *testing.T) {
	s := new(entratest.Server)
	older := entratest.Refuse(70021)
	older.Status, older.Header = http.StatusBadRequest, http.Header{"Retry-After": {"7"}, "Pragma": nil}
	s.Enqueue(older)
	older.Header.Set("Retry-After", "8") // has no effect: Enqueue copied the header
	reply, body := do(t, s, post(t, validForm(t)))

	assert.Equal(t, http.StatusBadRequest, reply.StatusCode)
	assert.Equal(t, "7", reply.Header.Get("Retry-After"))
	assert.NotContains(t, reply.Header, "Pragma")
	assert.Equal(t, []int{70021}, decode[errorReply](t, body).ErrorCodes)
}

func TestThrottleAndUnavailable(t *testing.T) {
	s := new(entratest.Server)
	s.Enqueue(entratest.Throttle(1500*time.Millisecond), entratest.Throttle(0), entratest.Unavailable(time.Minute), entratest.Unavailable(0))

	reply, body := do(t, s, post(t, validForm(t)))
	assert.Equal(t, http.StatusTooManyRequests, reply.StatusCode)
	assert.Equal(t, "2", reply.Header.Get("Retry-After"), "rounded up")
	assert.Equal(t, "text/plain; charset=utf-8", reply.Header.Get("Content-Type"))
	assert.Equal(t, "Too Many Requests", body)

	reply, _ = do(t, s, post(t, validForm(t)))
	assert.NotContains(t, reply.Header, "Retry-After")

	reply, body = do(t, s, post(t, validForm(t)))
	assert.Equal(t, http.StatusServiceUnavailable, reply.StatusCode)
	assert.Equal(t, "60", reply.Header.Get("Retry-After"))
	assert.Equal(t, "temporarily_unavailable", decode[errorReply](t, body).Error)

	reply, _ = do(t, s, post(t, validForm(t)))
	assert.NotContains(t, reply.Header, "Retry-After")
}

func TestQueuedRepliesComeBeforeSetReply(t *testing.T) {
	s := new(entratest.Server)
	s.SetReply(&entratest.Reply{Status: 502, Body: "<html>"})
	s.Enqueue(entratest.Reply{Status: 500}, entratest.Reply{Status: 418})
	status := func() int {
		reply, _ := do(t, s, post(t, validForm(t)))
		return reply.StatusCode
	}
	keys, _ := do(t, s, get(t, "https://h/t/discovery/v2.0/keys"))
	assert.Equal(t, http.StatusOK, keys.StatusCode, "only token requests use queued replies")
	assert.Equal(t, []int{500, 418, 502, 502}, []int{status(), status(), status(), status()})
	s.SetReply(nil)
	assert.Equal(t, http.StatusOK, status())
}

func TestDelaysAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(entratest.Server)
		s.SetDelay(2 * time.Second)
		s.Enqueue(entratest.Reply{Delay: 3 * time.Second})
		took := func(r *http.Request) time.Duration {
			start := time.Now()
			reply, _ := do(t, s, r)
			require.Equal(t, http.StatusOK, reply.StatusCode)
			return time.Since(start)
		}
		assert.Equal(t, 5*time.Second, took(post(t, validForm(t))))
		assert.Equal(t, 2*time.Second, took(post(t, validForm(t))))
		assert.Zero(t, took(get(t, "https://h/t/discovery/v2.0/keys")))
		s.SetDelay(0)
		assert.Zero(t, took(post(t, validForm(t))))
	})
}

func TestContextEndsAWait(t *testing.T) {
	for name, script := range map[string]entratest.Reply{
		"hang":  {Hang: true},
		"delay": {Delay: time.Hour, Err: io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := new(entratest.Server)
				s.Enqueue(script)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				start := time.Now()
				_, err := s.Do(post(t, validForm(t)).WithContext(ctx))
				assert.Equal(t, context.DeadlineExceeded, err)
				assert.Equal(t, 30*time.Second, time.Since(start))
				assert.Len(t, s.Requests(), 1)
			})
		})
	}
}

func TestDoReturnsTheScriptedErr(t *testing.T) {
	s, broken := new(entratest.Server), errors.New("connection reset by peer")
	s.Enqueue(entratest.Reply{Err: broken, Status: 500})
	_, err := s.Do(post(t, validForm(t)))
	assert.Equal(t, broken, err)
}

func TestScriptedErrDropsTheConnection(t *testing.T) {
	s := new(entratest.Server)
	web := httptest.NewTLSServer(s)
	defer web.Close()
	s.SetReply(&entratest.Reply{Err: io.ErrUnexpectedEOF})
	_, err := web.Client().PostForm(web.URL+"/t/oauth2/v2.0/token", validForm(t))
	assert.ErrorIs(t, err, io.EOF)
}

func TestHangEndsWithTheClientOverTLS(t *testing.T) {
	s := new(entratest.Server)
	web := httptest.NewTLSServer(s)
	defer web.Close() // waits for the handler, so it would block if the handler still hung
	s.SetReply(&entratest.Reply{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, web.URL+"/t/oauth2/v2.0/token", strings.NewReader("x=y"))
	require.NoError(t, err)
	done := make(chan error)
	go func() {
		_, err := web.Client().Do(r)
		done <- err
	}()
	require.Eventually(t, func() bool { return len(s.Requests()) == 1 }, 10*time.Second, time.Millisecond)
	cancel()
	assert.ErrorIs(t, <-done, context.Canceled)
}

func TestResetRepliesDropsTheScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, start := new(entratest.Server), time.Now()
		s.Enqueue(entratest.Refuse(53003), entratest.Refuse(53003))
		s.SetReply(new(entratest.Unavailable(0)))
		s.SetDelay(time.Minute)
		s.ResetReplies()
		assert.Zero(t, codeOf(t, s, validForm(t)))
		assert.Equal(t, start, time.Now())
	})
}
