package exchange_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestExchangeOverSockets(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		var entra entratest.Server
		_, o := serve(t, http2, func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, http2, r.ProtoMajor == 2)
			entra.ServeHTTP(w, r)
		})
		token, err := exchangeAt(t, o)
		require.NoError(t, err)
		assert.NotEmpty(t, token.Token)
		require.Len(t, entra.Requests(), 1)
		assert.Equal(t, assertion, entra.Requests()[0].Assertion)

		entra.Enqueue(entratest.Refuse(700213))
		_, err = exchangeAt(t, o)
		e, ok := errors.AsType[*exchange.Error](err)
		require.True(t, ok)
		assert.Contains(t, e.EntraCodes, 700213)
		assert.Equal(t, entra.Requests()[1].CorrelationID, e.CorrelationID)
	}
}

// bomb decompresses to 256 MiB.
var bomb = func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(bytes.Repeat([]byte(" "), 1<<20))
	_ = z.Close()
	return bytes.Repeat(b.Bytes(), 256)
}()

func TestReplyIsBoundedAfterDecompression(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, status := range []int{200, 400, 503} {
			t.Run(strconv.Itoa(status)+"/http2="+strconv.FormatBool(http2), func(t *testing.T) {
				_, o := serve(t, http2, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					w.Header().Set("Content-Encoding", "gzip")
					w.WriteHeader(status)
					_, _ = w.Write(bomb)
				})
				o.Retry.MaxRetries, o.Retry.RetryDelay = 2, time.Nanosecond
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				token, err := exchangeAt(t, o)
				runtime.ReadMemStats(&after)
				require.ErrorContains(t, err, "larger than 1048576 bytes")
				assert.ErrorContains(t, err, "HTTP "+strconv.Itoa(status))
				assert.Zero(t, token)
				assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
			})
		}
	}
}

// The default client bounds the headers of a reply. Those of another transport are clipped one by
// one.
func TestHeadersAreBounded(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		size := 128 << 10
		server, o := serve(t, http2, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Big", strings.Repeat("x", size))
			_, _ = io.WriteString(w, success)
		})
		var resp *http.Response
		o.PerRetryPolicies = []policy.Policy{policyFunc(func(r *policy.Request) (_ *http.Response, err error) {
			resp, err = r.Next()
			return resp, err
		})}
		_, err := exchangeAt(t, o)
		require.NoError(t, err)
		assert.Len(t, resp.Header.Get("X-Big"), 4096)

		o.Transport = nil
		o.IdentityBinding = &exchange.IdentityBinding{
			TokenProxy: server.URL,
			CAData:     pemOf(server),
		}
		_, err = exchangeAt(t, o)
		require.Error(t, err)
		assert.NotErrorAs(t, err, new(*exchange.Error), "no reply came")

		size = 32 << 10
		_, err = exchangeAt(t, o)
		assert.NoError(t, err)
	}
}

func TestStatusLineIsBounded(t *testing.T) {
	o := once(doFunc(func(*http.Request) (*http.Response, error) {
		r := reply(200, "application/json", success)
		r.Status = strings.Repeat("x", 1<<20)
		return r, nil
	}))
	o.PerRetryPolicies = []policy.Policy{policyFunc(func(r *policy.Request) (*http.Response, error) {
		resp, err := r.Next()
		assert.Len(t, resp.Status, 4096)
		return resp, err
	})}
	_, err := newClient(t, o).Exchange(t.Context(), request())
	assert.NoError(t, err)
}

// endless is a body without an end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func (e *endless) Close() error { return nil }

func TestEndlessBody(t *testing.T) {
	b := &endless{}
	_, err := do(t, doFunc(func(*http.Request) (*http.Response, error) {
		r := reply(200, "application/json", "")
		r.Body = b
		return r, nil
	}))
	require.ErrorContains(t, err, "larger than")
	assert.LessOrEqual(t, b.read, 1<<20+1)
}

func TestBodyOfJustAMebibyte(t *testing.T) {
	_, err := do(t, always(200, "application/json", success+strings.Repeat(" ", 1<<20-len(success))))
	require.NoError(t, err)
	_, err = do(t, always(200, "application/json", success+strings.Repeat(" ", 1<<20-len(success)+1)))
	require.ErrorContains(t, err, "larger than")
}

func TestBodyThatBreaksOff(t *testing.T) {
	for _, status := range []string{"200 OK", "401 Unauthorized"} {
		_, o := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
			hijack(t, w, "HTTP/1.1 "+status+"\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"+success)
		})
		_, err := exchangeAt(t, o)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assertNoAccessToken(t, err)
		assert.ErrorContains(t, err, o.Authority)
	}
}

func TestStreamThatIsReset(t *testing.T) {
	_, o := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, success[:40])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	_, err := exchangeAt(t, o)
	require.Error(t, err)
	assertNoAccessToken(t, err)
}

func TestBodyCutByItsContentLengthIsRefused(t *testing.T) {
	_, o := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		hijack(t, w, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n"+success)
	})
	_, err := exchangeAt(t, o)
	assert.ErrorAs(t, err, new(*exchange.Error))
	assertNoAccessToken(t, err)
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	o := once(nil)
	o.Authority = "https://" + l.Addr().String()
	require.NoError(t, l.Close())
	_, err = exchangeAt(t, o)
	require.Error(t, err)
	assert.ErrorAs(t, err, new(net.Error))
	assert.ErrorAs(t, err, new(*net.OpError))
	assert.ErrorContains(t, err, o.Authority+"/"+tenantID+"/oauth2/v2.0/token")
}

func TestUnknownCertificate(t *testing.T) {
	_, o := serve(t, false, func(http.ResponseWriter, *http.Request) { t.Error("the assertion was sent") })
	o.Transport = nil
	_, err := exchangeAt(t, o)
	assert.ErrorAs(t, err, new(*tls.CertificateVerificationError))
}

func TestCancelEndsABodyOnASocket(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		_, o := serve(t, http2, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, success[:40])
			_ = http.NewResponseController(w).Flush()
			cancel()
			<-r.Context().Done()
		})
		_, err := newClient(t, o).Exchange(ctx, request())
		assert.ErrorIs(t, err, context.Canceled)
	}
}
