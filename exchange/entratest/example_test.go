package entratest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// A Server is a transport: no socket, no certificates. Here a plain request goes through it; an azcore client takes it as
// ClientOptions.Transport.
func ExampleServer() {
	var entra entratest.Server
	var cluster entratest.Cluster
	assertion, err := cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
	if err != nil {
		panic(err)
	}
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {"11111111-2222-3333-4444-555555555555"},
		"scope":                 {"https://vault.azure.net/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	}
	request, err := http.NewRequest(http.MethodPost, "https://login.microsoftonline.com/contoso/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		panic(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	reply, err := entra.Do(request)
	if err != nil {
		panic(err)
	}
	defer reply.Body.Close()
	var token struct {
		TokenType string `json:"token_type"`
		ExpiresIn int    `json:"expires_in"`
	}
	if err := json.NewDecoder(reply.Body).Decode(&token); err != nil {
		panic(err)
	}
	fmt.Println(reply.Status, token.TokenType, token.ExpiresIn)
	for _, seen := range entra.Requests() {
		fmt.Println(seen.Kind, seen.TenantID, seen.Scope)
	}
	// Output:
	// 200 OK Bearer 3599
	// token contoso https://vault.azure.net/.default
}

// What goes wrong is scripted: here a throttled request, then a federated credential that has not
// propagated yet, then service, which finds the empty request wanting.
func ExampleServer_Enqueue() {
	var entra entratest.Server
	entra.Enqueue(entratest.Throttle(5*time.Second), entratest.Refuse(700211))
	for range 3 {
		request, err := http.NewRequest(http.MethodPost, "https://login.microsoftonline.com/contoso/oauth2/v2.0/token", nil)
		if err != nil {
			panic(err)
		}
		reply, err := entra.Do(request)
		if err != nil {
			panic(err)
		}
		reply.Body.Close()
		fmt.Printf("%s, Retry-After %q\n", reply.Status, reply.Header.Get("Retry-After"))
	}
	// Output:
	// 429 Too Many Requests, Retry-After "5"
	// 401 Unauthorized, Retry-After ""
	// 400 Bad Request, Retry-After ""
}

// A projected token is a file as in a pod. The program under test gets its path in AZURE_FEDERATED_TOKEN_FILE.
func ExampleCluster_Project() {
	dir, err := os.MkdirTemp("", "volume") // in a test: t.TempDir()
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	var cluster entratest.Cluster
	volume, err := cluster.Project(dir, "token/azure-identity-token", entratest.TokenRequest{Namespace: "shop", Pod: "checkout-0"})
	if err != nil {
		panic(err)
	}
	before, err := os.ReadFile(volume.Path())
	if err != nil {
		panic(err)
	}
	if err := volume.Rotate(); err != nil { // as the kubelet does at 80 % of the lifetime
		panic(err)
	}
	after, err := os.ReadFile(volume.Path())
	if err != nil {
		panic(err)
	}
	path, err := filepath.Rel(dir, volume.Path())
	if err != nil {
		panic(err)
	}
	fmt.Println(filepath.ToSlash(path))
	fmt.Println(string(before) != string(after), string(after) == volume.Token())
	// Output:
	// token/azure-identity-token
	// true true
}
