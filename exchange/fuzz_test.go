package exchange_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

// replyKey is the context key of the reply that a fuzz target's transport returns.
type replyKey struct{}

// answering returns a function that makes an exchange answered with a given reply. One client
// serves all inputs.
func answering(f *testing.F) func(*testing.T, *http.Response) (azcore.AccessToken, error) {
	c := newClient(f, once(doFunc(func(r *http.Request) (*http.Response, error) {
		return r.Context().Value(replyKey{}).(*http.Response), nil
	})))
	return func(t *testing.T, r *http.Response) (azcore.AccessToken, error) {
		return c.Exchange(context.WithValue(t.Context(), replyKey{}, r), request())
	}
}

func FuzzReply(f *testing.F) {
	for _, text := range []string{
		success, "", "null", "[]", "<html>" + assertion, `{"error":"x","error_description":"` + assertion + `"}`, entraError("\r\n"), entraError(" "),
		`{"access_token":"a b","expires_in":"1e400","token_type":5}`, `{"access_token":"a","expires_in":1e30,"refresh_in":"0.1"}`, `{"error":{}}`,
		`{"error":"` + signature[:7] + `","suberror":"` + signature[7:20] + `"}`, "\xff\x1b[31m\u202e",
	} {
		f.Add(200, "application/json", []byte(text))
		f.Add(401, "text/html; charset=utf-8", []byte(text))
	}
	f.Add(302, "text/"+signature, []byte(signature))
	f.Add(-1, "\x00;;", []byte{0})
	answered := answering(f)
	f.Fuzz(func(t *testing.T, status int, contentType string, b []byte) {
		start := time.Now()
		token, err := answered(t, reply(status, contentType, string(b)))
		if err != nil {
			require.Zero(t, token)
			require.Less(t, len(err.Error()), 8192)
			assertFitToPrint(t, err.Error())
			assertNoSecret(t, err.Error())
			return
		}
		require.Equal(t, 200, status)
		require.True(t, token.ExpiresOn.After(start) && !token.ExpiresOn.After(time.Now().Add(longest)), token.ExpiresOn)
		require.False(t, token.RefreshOn.After(token.ExpiresOn))
		require.NotEmpty(t, token.Token)
		require.False(t, strings.ContainsFunc(token.Token, func(c rune) bool { return c <= ' ' || c > '~' }))
	})
}

// FuzzErrorReply checks that an error is printable and free of the assertion, whatever the reply
// holds.
func FuzzErrorReply(f *testing.F) {
	f.Add("invalid_client", "AADSTS700213: no match. Trace ID: t Correlation ID: c Timestamp: 2024-08-05 10:07:04Z",
		"[700213]", "", "trace", "2024-08-05 10:07:04Z")
	f.Add(signature, assertion, "[]", "\x1b[31m", "\r\n", signature[3:20])
	f.Add("{}", "AADSTS99999999999999999999", "[1e400]", "\u202e", "", "9999-99-99 99:99:99Z")
	answered := answering(f)
	f.Fuzz(func(t *testing.T, code, description, codes, suberror, traceID, timestamp string) {
		members := map[string]any{"error": code, "error_description": description, "suberror": suberror, "trace_id": traceID, "timestamp": timestamp}
		if json.Valid([]byte(codes)) {
			members["error_codes"] = json.RawMessage(codes)
		}
		b, err := json.Marshal(members)
		require.NoError(t, err)
		_, err = answered(t, reply(401, "application/json", string(b)))
		var e *exchange.Error
		require.ErrorAs(t, err, &e)
		require.Less(t, len(e.Error()), 8192)
		assertFitToPrint(t, e.Error())
		assertNoSecret(t, e.Error())
		require.LessOrEqual(t, len(e.EntraCodes), 10)
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("60", "", "", "")
	f.Add("-1", "0", "1500", "")
	f.Add("99999999999999999999999", "9223372036854775807", "soon", "")
	f.Add("Fri, 31 Dec 9999 23:59:59 GMT", "", "", "Mon, 01 Jan 0001 00:00:00 GMT")
	f.Add("Mon, 01 Jan 0001 00:00:00 GMT", "", "", "Fri, 31 Dec 9999 23:59:59 GMT")
	answered := answering(f)
	f.Fuzz(func(t *testing.T, seconds, ms, xms, date string) {
		r := reply(429, "text/plain", "")
		for name, value := range map[string]string{"Retry-After": seconds, "Retry-After-Ms": ms, "X-Ms-Retry-After-Ms": xms, "Date": date} {
			r.Header.Set(name, value)
		}
		_, err := answered(t, r)
		var e *exchange.Error
		require.ErrorAs(t, err, &e)
		require.GreaterOrEqual(t, e.RetryAfter, time.Duration(0))
		require.LessOrEqual(t, e.RetryAfter, longest)
	})
}

func FuzzClaims(f *testing.F) {
	for _, claims := range []string{
		"", challenge, "{}", "null", "{", "[]", challenge + "x", `{"access_token":{"xms_cc":{"values":["cp1",1e400]}}}`, `{"access_token":[]}`,
		`{"access_token":{"xms_cc":{"values":"x"}},"a":"\u003c"}`, "eyJhY2Nlc3NfdG9rZW4iOnt9fQ", `{"a":1,"a":{"b":[{}]}}`, "{\"\xff\":\"\xff\"}",
	} {
		f.Add(claims, true)
		f.Add(claims, false)
	}
	var claims string
	c := newClient(f, once(doFunc(func(r *http.Request) (*http.Response, error) {
		form, err := url.ParseQuery(body(f, r))
		claims = form.Get("claims")
		return reply(200, "application/json", success), err
	})))
	f.Fuzz(func(t *testing.T, given string, cae bool) {
		claims = ""
		r := request()
		r.Claims, r.EnableCAE = given, cae
		_, err := c.Exchange(t.Context(), r)
		want, isObject := parse(given)
		if err != nil {
			require.ErrorContains(t, err, "Claims")
			require.Empty(t, claims, "nothing is sent")
			require.False(t, isObject && !cae, "an object needs nothing else")
			return
		}
		if given == "" && !cae {
			require.Empty(t, claims)
			return
		}
		got, ok := parse(claims)
		require.True(t, ok, claims)
		if given != "" {
			require.True(t, isObject)
			require.True(t, contains(got, want), "%s lacks a member of %s", claims, given)
		}
		if !cae {
			require.Equal(t, given, claims)
			return
		}
		accessToken, _ := got["access_token"].(map[string]any)
		capabilities, _ := accessToken["xms_cc"].(map[string]any)
		values, _ := capabilities["values"].([]any)
		found := 0
		for _, v := range values {
			if s, ok := v.(string); ok && strings.EqualFold(s, "cp1") {
				found++
			}
		}
		require.Positive(t, found, claims)
	})
}

// parse parses a JSON object and keeps numbers as they are written.
func parse(text string) (o map[string]any, ok bool) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	return o, json.Valid([]byte(text)) && d.Decode(&o) == nil && o != nil
}

// contains reports whether got has everything in want. A null may have been filled in, and an array
// may have grown at its end.
func contains(got, want any) bool {
	switch want := want.(type) {
	case nil:
		return true
	case map[string]any:
		o, ok := got.(map[string]any)
		for name := range want {
			if _, has := o[name]; !has || !contains(o[name], want[name]) {
				return false
			}
		}
		return ok
	case []any:
		a, ok := got.([]any)
		for i := range want {
			if i >= len(a) || !contains(a[i], want[i]) {
				return false
			}
		}
		return ok
	}
	return assert.ObjectsAreEqual(want, got)
}
