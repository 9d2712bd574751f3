package credential_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A role was granted a moment ago, and the token in memory is older. Invalidate drops only that
// token, so a second call with it does nothing.
func ExampleCredential_Invalidate() {
	var entra entratest.Server
	cred, err := credential.New(inPod(&entra)) // in a pod: credential.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	vault := policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}
	old, err := cred.GetToken(context.Background(), vault)
	if err != nil {
		log.Fatal(err)
	}
	cred.Invalidate(old.Token)
	replaced, err := cred.GetToken(context.Background(), vault)
	if err != nil {
		log.Fatal(err)
	}
	cred.Invalidate(old.Token) // does nothing: it is no longer the cached one
	kept, err := cred.GetToken(context.Background(), vault)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(replaced.Token != old.Token, kept.Token == replaced.Token)
	// Output: true true
}

// The policy goes into the options of each Azure SDK client. Here the client is azcore's, and its
// resource refuses the first token.
func ExampleCredential_InvalidateOn401() {
	var entra entratest.Server
	cred, err := credential.New(inPod(&entra)) // in a pod: credential.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err := azcore.NewClient("example", "v1.0.0", runtime.PipelineOptions{
		// Service clients add this policy themselves.
		PerRetry: []policy.Policy{runtime.NewBearerTokenPolicy(cred, []string{"https://vault.azure.net/.default"}, nil)},
	}, &policy.ClientOptions{
		PerRetryPolicies: []policy.Policy{cred.InvalidateOn401()},
		Transport:        new(revoking),
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		request, err := runtime.NewRequest(context.Background(), http.MethodGet, "https://orders.vault.azure.net/secrets/greeting")
		if err != nil {
			log.Fatal(err)
		}
		reply, err := client.Pipeline().Do(request)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(reply.StatusCode, "with token", len(entra.Requests()))
	}
	// Output:
	// 401 with token 1
	// 200 with token 2
	// 200 with token 2
}

// revoking is a resource that refuses the first token it sees.
type revoking struct{ first string }

func (v *revoking) Do(r *http.Request) (*http.Response, error) {
	reply := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}
	token := r.Header.Get("Authorization")
	if v.first == "" {
		v.first = token
	}
	if token == v.first {
		reply.StatusCode = http.StatusUnauthorized
	}
	return reply, nil
}
