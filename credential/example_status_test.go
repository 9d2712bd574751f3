package credential_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A readiness probe: the pod gets traffic while its tokens are valid. The probe sends nothing to
// Entra ID, however often it is called.
func ExampleKeyStatus_Ready() {
	var entra entratest.Server
	cred, err := credential.New(inPod(&entra)) // in a pod: credential.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	probe := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		keys := cred.Status()
		for _, key := range keys {
			if !key.Ready() {
				http.Error(w, fmt.Sprint("no token for ", key.Scopes, ": ", key.LastError), http.StatusServiceUnavailable)
				return
			}
		}
		if len(keys) == 0 {
			http.Error(w, "no token yet", http.StatusServiceUnavailable)
		}
	})
	asked := func() int {
		reply := httptest.NewRecorder()
		probe(reply, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return reply.Code
	}
	fmt.Println(asked())
	_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	fmt.Println(asked(), err)
	// Output:
	// 503
	// 200 <nil>
}
