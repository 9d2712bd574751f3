package oauth2token_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
	"github.com/entrafed/entrafed/examples/azuresdk/oauth2token"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const scope = "https://api.example/.default"

func ExampleNew() {
	p := pod.New() // replaces Azure
	defer p.Close()
	p.Serve("api.example", "https://api.example", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })

	client := &http.Client{Transport: &oauth2.Transport{
		Source: oauth2token.New(context.Background(), p.Credential(), "https://api.example/.default"),
		Base:   p.HTTP().Transport,
	}}
	response, err := client.Get("https://api.example/")
	if err != nil {
		panic(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	fmt.Println(string(body), err)
	// Output:
	// hello <nil>
}

func TestTokenComesFromTheCredential(t *testing.T) {
	p := pod.New()
	t.Cleanup(p.Close)
	cred := p.Credential()
	want, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
	require.NoError(t, err)

	got, err := oauth2token.New(t.Context(), cred, scope).Token()

	require.NoError(t, err)
	assert.True(t, got.AccessToken == want.Token)
	assert.Equal(t, want.ExpiresOn, got.Expiry)
	assert.Equal(t, "Bearer", got.Type())
	assert.True(t, got.Valid())
	assert.Equal(t, 1, p.Exchanges())
}

func TestFailures(t *testing.T) {
	p := pod.New()
	t.Cleanup(p.Close)
	p.Entra.SetReply(new(entratest.Refuse(700016)))
	_, err := oauth2token.New(t.Context(), p.Credential(), scope).Token()
	var refusal *exchange.Error
	require.ErrorAs(t, err, &refusal)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = oauth2token.New(ctx, p.Credential(), scope).Token()
	require.ErrorIs(t, err, context.Canceled)
}
