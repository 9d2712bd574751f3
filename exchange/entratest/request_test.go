package entratest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// prints formats a value in the ways that tests and programs are likely to use.
func prints(t *testing.T, value any) map[string]string {
	t.Helper()
	shown := map[string]string{"Sprint": fmt.Sprint(value), "Errorf": fmt.Errorf("%v", value).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%20v"} {
		shown[verb] = fmt.Sprintf(verb, value)
	}
	text, err := json.Marshal(value)
	require.NoError(t, err)
	shown["json"] = string(text)
	var logs bytes.Buffer
	slog.New(slog.NewJSONHandler(&logs, nil)).Info("seen", "request", value)
	slog.New(slog.NewTextHandler(&logs, nil)).Info("seen", "request", value)
	shown["slog"] = logs.String()
	return shown
}

func TestRequestPrintsNoSecret(t *testing.T) {
	s, form := new(entratest.Server), validForm(t)
	assertion := form.Get("client_assertion")
	signature := assertion[strings.LastIndexByte(assertion, '.')+1:]
	for _, field := range []string{"client_secret", "password", "refresh_token", "code", "assertion", "user_federated_identity_credential", "a_future_field"} {
		form.Set(field, "s3cr3t-value")
	}
	form.Set("fmi_path", signature)
	r := post(t, form)
	for _, header := range []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key"} {
		r.Header.Set(header, "Bearer s3cr3t-value")
	}
	r.Header.Set("User-Agent", "program/1.0")
	do(t, s, r)
	request := s.Requests()[0]
	require.Equal(t, assertion, request.Assertion)

	for _, value := range []any{request, &request, []entratest.Request{request}, map[string]entratest.Request{"a": request}, struct{ R entratest.Request }{request}} {
		for way, text := range prints(t, value) {
			assert.NotContains(t, text, signature, way)
			assert.NotContains(t, text, "s3cr3t", way)
			if way != "%x" {
				assert.Contains(t, text, clientID, way)
				assert.Contains(t, text, "program/1.0", way)
			}
		}
	}
	assert.Equal(t, assertion, request.Form.Get("client_assertion"), "printing does not change the request")
	assert.Equal(t, "Bearer s3cr3t-value", request.Header.Get("Authorization"))
}

func TestRequestPrintsNoTokenInTheWrongField(t *testing.T) {
	s := new(entratest.Server)
	folded := "https://x/.default&client_assertion=" + validForm(t).Get("client_assertion")
	do(t, s, post(t, url.Values{"scope": {folded}}))
	text := fmt.Sprint(s.Requests()[0])
	assert.Contains(t, text, "[token]")
	assert.NotContains(t, text, folded[len(folded)-40:])
}

func TestRequestMarshalsToJSON(t *testing.T) {
	s := new(entratest.Server)
	do(t, s, post(t, validForm(t)))
	text, err := json.Marshal(s.Requests()[0])
	require.NoError(t, err)
	got := decode[map[string]any](t, string(text))
	assert.Equal(t, "token", got["Kind"])
	assert.Equal(t, http.MethodPost, got["Method"])
	assert.Equal(t, clientID, got["ClientID"])
	assert.NotContains(t, got, "Assertion")
	assert.NotContains(t, got["Form"], "client_assertion")
}

func TestRequestWithoutAFormPrints(t *testing.T) {
	assert.Contains(t, fmt.Sprint(entratest.Request{ClientID: clientID}), clientID)
}

// JSON cannot encode a year of five digits.
func TestRequestThatJSONCannotEncodePrints(t *testing.T) {
	assert.Equal(t, `"unprintable request"`, fmt.Sprint(entratest.Request{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}))
}
