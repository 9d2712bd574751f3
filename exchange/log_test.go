package exchange_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// azcore logs requests, replies and errors before this package sees them.
func TestLogOfAzcoreHoldsNoSecret(t *testing.T) {
	var mu sync.Mutex
	var log strings.Builder
	azlog.SetListener(func(event azlog.Event, text string) {
		mu.Lock()
		defer mu.Unlock()
		log.WriteString(string(event) + " " + text + "\n")
	})
	defer azlog.SetListener(nil)

	for name, transport := range map[string]doFunc{
		"success":         always(200, "application/json", success),
		"echo":            always(401, "application/json", `{"error":"invalid_client","error_description":"`+assertion+`"}`),
		"retried echo":    always(503, "text/plain", assertion),
		"transport error": func(*http.Request) (*http.Response, error) { return nil, errors.New("cannot send " + assertion) },
		"echo in a header": func(*http.Request) (*http.Response, error) {
			r := reply(401, "text/plain", "")
			r.Header.Set(signature[:40], "x")
			r.Header.Set("Content-Type", signature[40:80])
			r.Status = signature[80:]
			return r, nil
		},
		"body error": func(*http.Request) (*http.Response, error) {
			r := reply(200, "application/json", "")
			r.Body = failing{errors.New("cannot read " + assertion)}
			return r, nil
		},
	} {
		log.Reset()
		o := once(transport)
		o.Logging.IncludeBody = true
		o.Retry.MaxRetries, o.Retry.RetryDelay = 1, time.Nanosecond
		_, err := newClient(t, o).Exchange(t.Context(), request())
		require.Equal(t, name == "success", err == nil)
		assert.Contains(t, log.String(), "login.microsoftonline.com", "%s is logged", name)
		assertNoSecret(t, log.String())
		assert.NotContains(t, log.String(), accessToken[:20])
	}
}
