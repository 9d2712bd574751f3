// Package contract tests what the documentation promises of every source.
package contract

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// The identity that the sources sign in as.
const (
	ClientID = "11111111-2222-4333-8444-555555555555"
	TenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
)

const (
	vault   = "https://vault.azure.net/.default"
	storage = "https://storage.azure.com/.default"
)

// Source is a credential.Options.Assertion.
type Source func(context.Context) (string, error)

// SignsIn signs in for two resources, one of them twice. It checks that the source is called once
// per exchange. issued returns the tokens that the source has received.
func SignsIn(t *testing.T, source Source, issued func() []string) {
	t.Helper()
	var entra entratest.Server
	cred := signIn(t, &entra, source)
	for _, scope := range []string{vault, vault, storage} {
		if token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}}); err != nil || token.Token == "" {
			t.Fatalf("no token for %s: %v", scope, err)
		}
	}
	var presented []string
	for _, r := range entra.Requests() {
		presented = append(presented, r.Assertion)
		if r.ClientID != ClientID || r.TenantID != TenantID {
			t.Errorf("signed in as %q in %q", r.ClientID, r.TenantID)
		}
	}
	if n := len(presented); n != 2 {
		t.Errorf("%d exchanges: the second token for the vault does not come from the cache", n)
	}
	if !slices.Equal(presented, issued()) {
		t.Error("the source does not get a new token for each exchange")
	}
}

// Failure signs in with a source that fails and returns the error that a program sees. Entra ID
// must get no request.
func Failure(t *testing.T, source Source) error {
	t.Helper()
	var entra entratest.Server
	_, err := signIn(t, &entra, source).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vault}})
	if err == nil || len(entra.Requests()) > 0 {
		t.Fatalf("error %v, %d requests", err, len(entra.Requests()))
	}
	return err
}

// IsConcurrent calls a source ten times concurrently.
func IsConcurrent(t *testing.T, source Source, issued func() []string) {
	t.Helper()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := source(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(issued()); n != 10 {
		t.Errorf("%d tokens", n)
	}
}

// Canceled returns the error of a call whose context has ended.
func Canceled(t *testing.T, source Source) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := source(ctx)
	return err
}

// Elsewhere returns the URL of a server that must get no request.
func Elsewhere(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	t.Cleanup(server.Close)
	return server.URL
}

func signIn(t *testing.T, entra *entratest.Server, source Source) *credential.Credential {
	t.Helper()
	t.Setenv("AZURE_AUTHORITY_HOST", "")
	t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", "")
	options := credential.Options{ClientID: ClientID, TenantID: TenantID, Assertion: source}
	options.Transport = entra
	cred, err := credential.New(&options)
	if err != nil {
		t.Fatal(err)
	}
	return cred
}
