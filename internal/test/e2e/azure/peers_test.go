package azure_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	msalerrors "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// The tests in this file run the fake Entra ID against clients that were written for the real one.
// Users' tests may rely on what these clients understand.

const storageScope = storageAudience + "/.default"

// outcome is what a client read from a reply.
type outcome struct {
	token     string
	expiresOn time.Time
	refreshOn time.Time // zero if the client does not report it
}

// peer is another vendor's client, which requests a token for Storage.
type peer struct {
	name     string
	get      func(t *testing.T, r *rig) (outcome, error)
	describe func(err error) string // the code and description that the client found in Entra ID's error
}

var peers = []peer{
	{"azidentity.WorkloadIdentityCredential", getWorkloadIdentity, describeAzidentity},
	{"azidentity.ClientAssertionCredential", getClientAssertion, describeAzidentity},
	{"MSAL", getMSAL, describeMSAL},
	{"oauth2/clientcredentials", getOAuth2, describeOAuth2},
	{"by hand", getByHand, func(err error) string { return err.Error() }},
}

func (r *rig) assertion() (string, error) {
	raw, err := os.ReadFile(r.TokenFile)
	return string(raw), err
}

func getWorkloadIdentity(t *testing.T, r *rig) (outcome, error) {
	cred, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: r.sdk()})
	require.NoError(t, err)
	return getAzidentity(t, cred)
}

func getClientAssertion(t *testing.T, r *rig) (outcome, error) {
	cred, err := azidentity.NewClientAssertionCredential(tenantID, clientID,
		func(context.Context) (string, error) { return r.assertion() },
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: r.sdk()})
	require.NoError(t, err)
	return getAzidentity(t, cred)
}

func getAzidentity(t *testing.T, cred azcore.TokenCredential) (outcome, error) {
	token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{storageScope}, EnableCAE: true})
	return outcome{token.Token, token.ExpiresOn, token.RefreshOn}, err
}

// describeAzidentity reads the reply that the error holds.
func describeAzidentity(err error) string {
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse == nil {
		return ""
	}
	return failed.RawResponse.Status + err.Error()
}

func getMSAL(t *testing.T, r *rig) (outcome, error) {
	cred := confidential.NewCredFromAssertionCallback(func(context.Context, confidential.AssertionRequestOptions) (string, error) { return r.assertion() })
	client, err := confidential.New("https://"+loginHost+"/"+tenantID, clientID, cred, confidential.WithHTTPClient(r.http))
	require.NoError(t, err)
	result, err := client.AcquireTokenByCredential(t.Context(), []string{storageScope})
	return outcome{result.AccessToken, result.ExpiresOn, result.Metadata.RefreshOn}, err
}

func describeMSAL(err error) string {
	var failed msalerrors.CallErr
	if !errors.As(err, &failed) {
		return ""
	}
	return failed.Resp.Status + failed.Error()
}

func getOAuth2(t *testing.T, r *rig) (outcome, error) {
	assertion, err := r.assertion()
	require.NoError(t, err)
	config := clientcredentials.Config{
		ClientID: clientID, TokenURL: tokenURL, Scopes: []string{storageScope}, AuthStyle: oauth2.AuthStyleInParams,
		EndpointParams: url.Values{"client_assertion_type": {assertionType}, "client_assertion": {assertion}},
	}
	token, err := config.Token(context.WithValue(t.Context(), oauth2.HTTPClient, r.http))
	if err != nil {
		return outcome{}, err
	}
	assert.Equal(t, "Bearer", token.Type())
	return outcome{token: token.AccessToken, expiresOn: token.Expiry}, nil
}

func describeOAuth2(err error) string {
	var failed *oauth2.RetrieveError
	if !errors.As(err, &failed) {
		return ""
	}
	return failed.Response.Status + failed.ErrorCode + failed.ErrorDescription
}

const (
	tokenURL      = "https://" + loginHost + "/" + tenantID + "/oauth2/v2.0/token"
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// tokenReply is the documented reply. It is parsed strictly: an unknown member or another type is
// an error.
type tokenReply struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	ExtExpiresIn int    `json:"ext_expires_in"`
	RefreshIn    int    `json:"refresh_in"`
	AccessToken  string `json:"access_token"`
}

type errorReply struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri"`
}

func getByHand(t *testing.T, r *rig) (outcome, error) {
	assertion, err := r.assertion()
	require.NoError(t, err)
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {storageScope},
		"client_assertion_type": {assertionType}, "client_assertion": {assertion},
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tokenURL, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := r.http.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	require.Contains(t, response.Header.Get("Content-Type"), "application/json")
	body := json.NewDecoder(response.Body)
	body.DisallowUnknownFields()
	if response.StatusCode != http.StatusOK {
		var refusal errorReply
		require.NoError(t, body.Decode(&refusal))
		require.NotEmpty(t, refusal.Codes)
		_, err := time.Parse("2006-01-02 15:04:05Z", refusal.Timestamp)
		require.NoError(t, err)
		return outcome{}, errors.New(response.Status + refusal.Error + refusal.Description)
	}
	var granted tokenReply
	require.NoError(t, body.Decode(&granted))
	require.Equal(t, "Bearer", granted.TokenType)
	now := time.Now()
	return outcome{token: granted.AccessToken, expiresOn: now.Add(time.Duration(granted.ExpiresIn) * time.Second)}, nil
}

// A resource accepts the token that each client found in the reply, for as long as the reply said.
func TestPeersSignIn(t *testing.T) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			r := newRig(t)
			r.Entra.RefreshIn = 20 * time.Minute

			got, err := p.get(t, r)

			require.NoError(t, err)
			claims, err := r.verify(got.token, storageAudience)
			require.NoError(t, err)
			assert.Equal(t, tenantID, claims.TenantID)
			assert.WithinDuration(t, claims.ExpiresAt.Time, got.expiresOn, 10*time.Second)
			if !got.refreshOn.IsZero() {
				assert.WithinDuration(t, time.Now().Add(20*time.Minute), got.refreshOn, 10*time.Second)
			}
			require.Len(t, r.exchanges(), 1)
		})
	}
}

// The application does not trust the service account. Each client finds the status, error and
// description in Entra ID's reply.
func TestPeersUnderstandARefusal(t *testing.T) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			r := newRig(t)
			r.trustAnother(t)

			_, err := p.get(t, r)

			require.Error(t, err)
			description := p.describe(err)
			for _, want := range []string{"401", "invalid_client", "AADSTS700213", "system:serviceaccount:shop:orders"} {
				assert.Contains(t, description, want)
			}
			assert.False(t, strings.Contains(err.Error(), r.Projection.Token()))
		})
	}
}

// For a host that MSAL does not know, it asks Entra ID whether the host can be trusted. Then it
// gets the host's configuration and uses the endpoint in it.
func TestMSALDiscovery(t *testing.T) {
	const privateHost = "login.private.example"
	r := newRig(t)
	r.serve(t, privateHost, r.Entra)
	cred := confidential.NewCredFromAssertionCallback(func(context.Context, confidential.AssertionRequestOptions) (string, error) { return r.assertion() })
	client, err := confidential.New("https://"+privateHost+"/"+tenantID, clientID, cred, confidential.WithHTTPClient(r.http))
	require.NoError(t, err)

	result, err := client.AcquireTokenByCredential(t.Context(), []string{storageScope})

	require.NoError(t, err)
	_, err = r.verify(result.AccessToken, storageAudience)
	require.NoError(t, err)
	discovery, configuration := r.requests(entratest.KindInstanceDiscovery), r.requests(entratest.KindOpenIDConfiguration)
	require.NotEmpty(t, discovery)
	require.NotEmpty(t, configuration)
	require.Len(t, r.exchanges(), 1)
	assert.Equal(t, privateHost, r.exchanges()[0].Host)
	assert.Empty(t, r.requests(entratest.KindOther))
}

// azidentity's own cache serves the second token from the first reply.
func TestAzidentityCachesTheReply(t *testing.T) {
	r := newRig(t)
	cred, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: r.sdk()})
	require.NoError(t, err)
	first, err := getAzidentity(t, cred)
	require.NoError(t, err)
	second, err := getAzidentity(t, cred)
	require.NoError(t, err)
	assert.True(t, first.token == second.token)
	assert.Len(t, r.exchanges(), 1)
}

// For the same reply, this library gives the SDK the same token metadata as azidentity.
func TestSameLifetimeAsAzidentity(t *testing.T) {
	r := newRig(t)
	theirs, err := getWorkloadIdentity(t, r)
	require.NoError(t, err)
	token, err := r.credential(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{storageScope}, EnableCAE: true})
	require.NoError(t, err)

	assert.WithinDuration(t, theirs.expiresOn, token.ExpiresOn, 10*time.Second)
	exchanges := r.exchanges()
	require.Len(t, exchanges, 2)
	assert.JSONEq(t, upper(t, exchanges[0].Claims), upper(t, exchanges[1].Claims))
	assert.True(t, exchanges[0].Assertion == exchanges[1].Assertion)
}
