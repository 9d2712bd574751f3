// Package contract checks what README.md promises of every source.
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

// Whom the sources sign in as.
const (
	ClientID = "11111111-2222-4333-8444-555555555555"
	TenantID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
)

const (
	vault   = "https://vault.azure.net/.default"
	storage = "https://storage.azure.com/.default"
)

// Source is what credential.Options.Assertion takes.
type Source func(context.Context) (string, error)

// SignsIn signs in for two resources, one of them twice: a source is asked anew for each exchange, and for nothing else. issued
// tells the tokens that it was given so far.
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
		t.Errorf("%d exchanges: the second token for the vault is not the cached one", n)
	}
	if !slices.Equal(presented, issued()) {
		t.Error("not asked anew for each exchange")
	}
}

// Failure signs in with a source that fails, and returns what a program sees of it. Entra ID is not asked.
func Failure(t *testing.T, source Source) error {
	t.Helper()
	var entra entratest.Server
	_, err := signIn(t, &entra, source).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vault}})
	if err == nil || len(entra.Requests()) > 0 {
		t.Fatalf("error %v, %d requests", err, len(entra.Requests()))
	}
	return err
}

// IsConcurrent asks a source ten times at once.
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

// Cancelled returns the error of a call whose context has ended.
func Cancelled(t *testing.T, source Source) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := source(ctx)
	return err
}

// Elsewhere is the URL of a server that must not be asked.
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
