package exchange_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	traceID       = "f9b2a1c3-0000-4000-8000-0000000000aa"
	correlationID = "0d2f4b6a-0000-4000-8000-0000000000bb"
)

// entraError returns an error reply in Entra ID's format. separator stands before each ID: older
// replies have line breaks there, newer ones spaces.
func entraError(separator string) string {
	text, _ := json.Marshal(map[string]any{
		"error": "invalid_client",
		"error_description": "AADSTS700213: No matching federated identity record found for presented assertion subject 'system:serviceaccount:shop:checkout'." +
			separator + "Trace ID: " + traceID + separator + "Correlation ID: " + correlationID + separator + "Timestamp: 2024-08-05 10:07:04Z",
		"error_codes": []int{700213}, "timestamp": "2024-08-05 10:07:04Z", "trace_id": traceID, "correlation_id": correlationID,
		"error_uri": "https://login.microsoftonline.com/error?code=700213", "suberror": "consent_required", "claims": `{"access_token":{"x":{"essential":true}}}`,
	})
	return string(text)
}

func TestErrorFields(t *testing.T) {
	for _, separator := range []string{"\r\n", " ", "\n"} {
		e := refused(t, doFunc(func(*http.Request) (*http.Response, error) {
			r := reply(401, "application/json; charset=utf-8", entraError(separator))
			r.Header.Set("Retry-After", "7")
			r.Header.Set("X-Ms-Request-Id", "not-this")
			r.Header.Set("Client-Request-Id", "nor-this")
			return r, nil
		}))
		assert.Equal(t, 401, e.StatusCode)
		assert.Equal(t, "invalid_client", e.Code)
		assert.Equal(t, []int{700213}, e.EntraCodes)
		assert.Contains(t, e.EntraCodes, 700213)
		assert.Equal(t, "consent_required", e.SubError)
		assert.JSONEq(t, `{"access_token":{"x":{"essential":true}}}`, e.Claims)
		assert.Equal(t, traceID, e.TraceID)
		assert.Equal(t, correlationID, e.CorrelationID)
		assert.Equal(t, time.Date(2024, 8, 5, 10, 7, 4, 0, time.UTC), e.Timestamp)
		assert.Equal(t, 7*time.Second, e.RetryAfter)
		assert.Contains(t, e.Description, "subject 'system:serviceaccount:shop:checkout'.")

		text := e.Error()
		assertFitToPrint(t, text)
		for _, part := range []string{
			"401", "Unauthorized", "invalid_client", "consent_required", "AADSTS700213", "'system:serviceaccount:shop:checkout'",
			traceID, correlationID, "2024-08-05", "7s",
		} {
			assert.Equal(t, 1, strings.Count(text, part), "%s in %s", part, text)
		}
	}
}

func TestIDsOfHeadersWhenTheBodyHasNone(t *testing.T) {
	e := refused(t, doFunc(func(*http.Request) (*http.Response, error) {
		r := reply(429, "text/plain", "Too Many Requests")
		r.Header.Set("X-Ms-Request-Id", traceID)
		r.Header.Set("Client-Request-Id", correlationID)
		return r, nil
	}))
	assert.Equal(t, traceID, e.TraceID)
	assert.Equal(t, correlationID, e.CorrelationID)
	assert.Contains(t, e.Error(), correlationID)
}

func TestEntraCodes(t *testing.T) {
	for reply, want := range map[string][]int{
		`{"error":"e","error_codes":[700016,5],"error_description":"AADSTS1234: x"}`:             {1234, 700016, 5},
		`{"error":"e","error_codes":[7000215,700213,5,5],"error_description":"AADSTS700213: x"}`: {700213, 7000215, 5},
		`{"error":"e","error_codes":[700016,5,700016],"error_description":"x"}`:                  {700016, 5},
		`{"error":"e","error_description":"AADSTS90002: Tenant 'x' not found."}`:                 {90002},
		`{"error":"e","error_codes":[],"error_description":"AADSTS90002: x"}`:                    {90002},
		`{"error":"e","error_codes":["90002"],"error_description":"AADSTS90002: x"}`:             {90002},
		`{"error":"e","error_codes":90002,"error_description":"AADSTS90002: x"}`:                 {90002},
		`{"error":"e","error_codes":null,"error_description":"AADSTS7000272: x"}`:                {7000272},
		`{"error":"e","error_description":"as AADSTS90002 said"}`:                                nil,
		`{"error":"e","error_description":"AADSTS123456789012345678901234567890"}`:               nil,
		`{"error":"e"}`: nil,
	} {
		assert.Equal(t, want, refused(t, always(400, "application/json", reply)).EntraCodes, reply)
	}
	many := refused(t, always(400, "application/json", `{"error":"e","error_codes":[1`+strings.Repeat(",1", 10_000)+`]}`))
	assert.LessOrEqual(t, len(many.EntraCodes), 10)
	many = refused(t, always(400, "application/json", `{"error":"e","error_codes":[1,2,3,4,5,6,7,8,9,10,11,12],"error_description":"AADSTS90002: x"}`))
	assert.Equal(t, []int{90002, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, many.EntraCodes)
}

func TestCodeIsPrintedWhenTheDescriptionLacksIt(t *testing.T) {
	e := refused(t, always(400, "application/json", `{"error":"invalid_client","error_codes":[700213]}`))
	assert.Contains(t, e.Error(), "AADSTS700213")
}

func TestMembersOfTheWrongTypeAreAbsent(t *testing.T) {
	e := refused(t, always(400, "application/json",
		`{"error":"invalid_client","error_description":[],"suberror":1,"claims":{},"trace_id":null,"correlation_id":{},"timestamp":5,"error_codes":{}}`))
	assert.Equal(t, "invalid_client", e.Code)
	assert.Empty(t, e.Description+e.SubError+e.Claims+e.TraceID+e.CorrelationID)
	assert.True(t, e.Timestamp.IsZero())
}

func TestErrorTextIsOneBoundedPrintableLine(t *testing.T) {
	evil := "AADSTS700213: a\r\nb\x1b[31mred\x00\u2028\u202e\u0085\x7f" + strings.Repeat("long sentence ", 1<<13)
	for _, member := range []string{"error", "error_description", "suberror", "claims", "trace_id", "correlation_id", "timestamp"} {
		members := map[string]string{"error": "e", member: evil}
		text, err := json.Marshal(members)
		require.NoError(t, err)
		e := refused(t, always(400, "application/json", string(text)))
		assertFitToPrint(t, e.Error())
		assert.Less(t, len(e.Error()), 4096, member)
		assert.Less(t, len(e.Claims), 4096)
	}
	e := refused(t, always(400, "application/json", `{"error":"e","error_description":"`+strings.Repeat("x ", 1<<19-100)+`"}`))
	assert.Less(t, len(e.Error()), 4096, "almost a mebibyte")
	all, err := json.Marshal(map[string]string{"error": evil, "error_description": evil, "suberror": evil, "trace_id": evil, "correlation_id": evil})
	require.NoError(t, err)
	assert.Less(t, len(refused(t, always(400, "application/json", string(all))).Error()), 4096)
}

// A program must answer the whole challenge or none of it.
func TestClaimsAreKeptAsTheyCame(t *testing.T) {
	challenge := func(n int) string {
		head, tail := "{\n  \"access_token\": {\"acrs\": {\"values\": [\"", "\"]}}}"
		return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
	}
	for claims, want := range map[string]string{
		challenge(100):                             challenge(100),
		challenge(10_000):                          challenge(10_000),
		challenge(64 << 10):                        challenge(64 << 10),
		challenge(64<<10 + 1):                      "",
		`{"you sent":"` + signature[:8] + `"}`:     "",
		`{"their token":"` + accessToken + `"}`:    "",
		"{\"control\":\"\x1b[31m\",\"a\":  \"b\"}": "{\"control\":\"\x1b[31m\",\"a\":  \"b\"}",
	} {
		text, err := json.Marshal(map[string]string{"error": "interaction_required", "claims": claims})
		require.NoError(t, err)
		e := refused(t, always(400, "application/json", string(text)))
		assert.Equal(t, want, e.Claims)
		assertFitToPrint(t, e.Error())
	}
}

func TestErrorIsNotRetriable(t *testing.T) {
	_, err := do(t, always(401, "application/json", entraError(" ")))
	var final interface {
		error
		NonRetriable()
	}
	require.ErrorAs(t, err, &final)
}

func TestErrorBuiltByHand(t *testing.T) {
	assert.Contains(t, (&exchange.Error{StatusCode: 429}).Error(), "HTTP 429")
	assert.Equal(t, "HTTP 401: invalid_client: AADSTS700213: no",
		(&exchange.Error{StatusCode: 401, Code: "invalid_client", Description: "AADSTS700213: no"}).Error())
	assert.Equal(t, "HTTP 0: the reply is not from a token endpoint", (&exchange.Error{}).Error())
	assert.NotContains(t, (&exchange.Error{StatusCode: 302}).Error(), `""`)
	assertFitToPrint(t, (&exchange.Error{Code: "a\nb", SubError: "c\n", Description: "d\r\ne", TraceID: "\x1b[31m"}).Error())
}

func TestErrorsOfTheFake(t *testing.T) {
	for _, code := range []int{70021, 700213, 700016, 90002, 500011, 1002012, 53003, 90033} {
		var entra entratest.Server
		entra.Enqueue(entratest.Refuse(code))
		e := refused(t, &entra)
		assert.Equal(t, []int{code}, e.EntraCodes)
		assert.NotEmpty(t, e.Code)
		assert.Regexp(t, guid, e.CorrelationID)
		assert.Equal(t, entra.Requests()[0].CorrelationID, e.CorrelationID)
		assert.NotEmpty(t, e.TraceID)
		assert.WithinDuration(t, time.Now(), e.Timestamp, time.Minute)
		assert.Equal(t, 1, strings.Count(e.Error(), e.TraceID))
	}
	var entra entratest.Server
	entra.Enqueue(entratest.Throttle(time.Minute))
	e := refused(t, &entra)
	assert.Equal(t, time.Minute, e.RetryAfter)
	assert.Contains(t, e.Error(), "Too Many Requests")
}
