package awssts_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/examples/assertions/awssts"
	"github.com/entrafed/entrafed/examples/assertions/internal/contract"
	"github.com/entrafed/entrafed/tokenfile"
)

func newAccount(t *testing.T) *fakeSTS {
	t.Helper()
	f := newFakeSTS()
	t.Cleanup(f.server.Close)
	return f
}

func (f *fakeSTS) source() func(context.Context) (string, error) { return awssts.New(f.client(), nil) }

func TestTokenForEntra(t *testing.T) {
	raw, err := newAccount(t).source()(t.Context())

	require.NoError(t, err)
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)
	assert.Equal(t, issuerURL, token.Issuer)
	assert.Equal(t, subject, token.Subject)
	assert.Equal(t, []string{"api://AzureADTokenExchange"}, []string(token.Audience))
}

func TestAudienceIsEscaped(t *testing.T) {
	raw, err := awssts.New(newAccount(t).client(), &awssts.Options{Audience: "api://a b&Version=c"})(t.Context())

	require.NoError(t, err)
	token, err := tokenfile.Parse(raw)
	require.NoError(t, err)
	assert.Equal(t, []string{"api://a b&Version=c"}, []string(token.Audience))
}

func TestFederationThatIsNotEnabled(t *testing.T) {
	f := newAccount(t)
	f.reply = func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "OutboundWebIdentityFederationDisabledException", "It is not enabled.")
	}

	_, err := f.source()(t.Context())

	require.ErrorContains(t, err, "awssts: run aws iam enable-outbound-web-identity-federation once for the account: ")
}

// If the role lacks the permission, AWS says so. It gets only one request.
func TestRefusal(t *testing.T) {
	f := newAccount(t)
	asked := 0
	f.reply = func(w http.ResponseWriter, _ *http.Request) {
		asked++
		refuse(w, http.StatusForbidden, "AccessDenied", subject+" is not authorized to perform: sts:GetWebIdentityToken")
	}

	_, err := f.source()(t.Context())

	require.ErrorContains(t, err, "awssts: ")
	require.ErrorContains(t, err, "is not authorized to perform: sts:GetWebIdentityToken")
	assert.Equal(t, 1, asked)
}

func TestUnusableReplies(t *testing.T) {
	for name, reply := range map[string]http.HandlerFunc{
		"throttled": func(w http.ResponseWriter, _ *http.Request) {
			refuse(w, http.StatusBadRequest, "Throttling", "Rate exceeded")
		},
		"server error": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, role.SessionToken, http.StatusInternalServerError)
		},
		"not XML":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(role.SessionToken)) },
		"no token": func(w http.ResponseWriter, _ *http.Request) { answer(w, "") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newAccount(t)
			asked := 0
			f.reply = func(w http.ResponseWriter, r *http.Request) {
				asked++
				reply(w, r)
			}

			_, err := f.source()(t.Context())

			require.ErrorContains(t, err, "awssts: ")
			assertNoSecret(t, err, f)
			assert.Equal(t, 1, asked, "the credential decides about retries")
		})
	}
}

func TestNoReply(t *testing.T) {
	f := newAccount(t)
	f.server.Close()

	_, err := f.source()(t.Context())

	require.ErrorContains(t, err, "awssts: ")
	assertNoSecret(t, err, f)
}

func TestContextEndsTheRequest(t *testing.T) {
	require.ErrorIs(t, contract.Canceled(t, newAccount(t).source()), context.Canceled)
}

func TestConcurrentUse(t *testing.T) {
	f := newAccount(t)
	contract.IsConcurrent(t, f.source(), f.Issued)
}

func TestSignIn(t *testing.T) {
	f := newAccount(t)
	contract.SignsIn(t, f.source(), f.Issued)
}

func TestFailedSignInNamesTheSource(t *testing.T) {
	f := newAccount(t)
	f.reply = func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusBadRequest, "Throttling", "Rate exceeded")
	}

	err := contract.Failure(t, f.source())

	require.ErrorContains(t, err, "Options.Assertion: awssts: ")
	require.ErrorContains(t, err, "Rate exceeded")
}

// The other tests are only meaningful if the fake refuses wrong requests.
func TestFakeRefuses(t *testing.T) {
	const form = "Action=GetWebIdentityToken&Audience.member.1=api%3A%2F%2FAzureADTokenExchange&SigningAlgorithm=RS256&Version=2011-06-15"
	asIs := func(*http.Request) {}
	f := newAccount(t)
	for name, test := range map[string]struct {
		method, path, form string
		secret             string
		after              func(r *http.Request) // runs after signing
		status             int
	}{
		"nothing":         {"POST", "/", form, role.SecretAccessKey, asIs, http.StatusOK},
		"method":          {"GET", "/", form, role.SecretAccessKey, asIs, http.StatusBadRequest},
		"path":            {"POST", "/x", form, role.SecretAccessKey, asIs, http.StatusNotFound},
		"query":           {"POST", "/?x=y", form, role.SecretAccessKey, asIs, http.StatusNotFound},
		"other key":       {"POST", "/", form, "other", asIs, http.StatusForbidden},
		"not signed":      {"POST", "/", form, role.SecretAccessKey, func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusForbidden},
		"no session":      {"POST", "/", form, role.SecretAccessKey, func(r *http.Request) { r.Header.Del("X-Amz-Security-Token") }, http.StatusForbidden},
		"other date":      {"POST", "/", form, role.SecretAccessKey, func(r *http.Request) { r.Header.Set("X-Amz-Date", "20200101T000000Z") }, http.StatusForbidden},
		"other type":      {"POST", "/", form, role.SecretAccessKey, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, http.StatusBadRequest},
		"other action":    {"POST", "/", strings.Replace(form, "GetWeb", "Get", 1), role.SecretAccessKey, asIs, http.StatusBadRequest},
		"other version":   {"POST", "/", strings.Replace(form, "2011", "2010", 1), role.SecretAccessKey, asIs, http.StatusBadRequest},
		"other algorithm": {"POST", "/", strings.Replace(form, "RS256", "ES384", 1), role.SecretAccessKey, asIs, http.StatusBadRequest},
		"no audience":     {"POST", "/", strings.Replace(form, "api%3A%2F%2FAzureADTokenExchange", "", 1), role.SecretAccessKey, asIs, http.StatusBadRequest},
		"parameter added": {"POST", "/", form + "&x=y", role.SecretAccessKey, asIs, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), test.method, f.server.URL+test.path, strings.NewReader(test.form))
			require.NoError(t, err)
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			keys, sum := role, sha256.Sum256([]byte(test.form))
			keys.SecretAccessKey = test.secret
			require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), keys, request, hex.EncodeToString(sum[:]), "sts", region, time.Now()))
			test.after(request)

			response, err := f.server.Client().Do(request)

			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, test.status, response.StatusCode)
		})
	}
}

// The SDK's client signs for its configured region. There is no global one.
func TestFakeRefusesAnotherRegion(t *testing.T) {
	f := newAccount(t)
	client := sts.New(f.client().Options(), func(o *sts.Options) {
		o.Region = "us-east-1"
		o.BaseEndpoint = aws.String(f.server.URL)
	})

	_, err := awssts.New(client, nil)(t.Context())

	require.ErrorContains(t, err, "SignatureDoesNotMatch")
}

func assertNoSecret(t *testing.T, err error, f *fakeSTS) {
	t.Helper()
	for _, secret := range append(f.Issued(), role.SecretAccessKey, role.SessionToken) {
		if strings.Contains(err.Error(), secret) {
			t.Error("the error contains a secret")
		}
	}
}
