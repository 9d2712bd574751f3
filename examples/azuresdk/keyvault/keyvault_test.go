package keyvault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
	"github.com/entrafed/entrafed/examples/azuresdk/keyvault"
)

const vault = "https://shop.vault.azure.net"

func newPod() *pod.Pod {
	p := pod.New()
	p.Serve("shop.vault.azure.net", "https://vault.azure.net", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"id": vault + "/secrets/greeting/1", "value": "hello"})
	})
	return p
}

func ExampleNew() {
	p := newPod() // replaces Azure
	defer p.Close()

	client, err := keyvault.New(vault, p.Credential(), &azsecrets.ClientOptions{ClientOptions: p.SDK()})
	if err != nil {
		panic(err)
	}
	secret, err := client.GetSecret(context.Background(), "greeting", "", nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(*secret.Value)
	// Output:
	// hello
}

func TestRevokedTokenIsReplaced(t *testing.T) {
	p := newPod()
	t.Cleanup(p.Close)
	cred := p.Credential()
	options := &azsecrets.ClientOptions{ClientOptions: p.SDK()}
	client, err := keyvault.New(vault, cred, options)
	require.NoError(t, err)
	token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}, EnableCAE: true})
	require.NoError(t, err)
	_, err = client.GetSecret(t.Context(), "greeting", "", nil)
	require.NoError(t, err)
	require.Equal(t, 1, p.Exchanges(), "the client got the cached token")
	p.Revoke(token.Token)

	_, err = client.GetSecret(t.Context(), "greeting", "", nil)

	require.NoError(t, err)
	assert.Equal(t, 2, p.Exchanges())
	assert.Empty(t, options.PerRetryPolicies, "the caller's options are unchanged")
}

func TestNilOptions(t *testing.T) {
	p := newPod()
	t.Cleanup(p.Close)

	_, err := keyvault.New(vault, p.Credential(), nil)

	require.NoError(t, err)
}
