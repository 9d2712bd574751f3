package entratest_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// The zero value accepts any well-formed token that has not expired, from any issuer, for any
// tenant and client.
func ExampleServer() {
	var entra entratest.Server
	var cluster entratest.Cluster
	good, err := cluster.Token(entratest.TokenRequest{})
	if err != nil {
		log.Fatal(err)
	}
	expired, err := cluster.Token(entratest.TokenRequest{Lifetime: -time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(signIn(&entra, good))
	fmt.Println(signIn(&entra, expired) != nil)
	fmt.Println(signIn(&entra, "no token"))
	// Output:
	// <nil>
	// true
	// AADSTS50027: JWT token is invalid or malformed
}

// Do has the signature of http.Client's method, so a Server can replace the client in code that
// accepts a transport.
func ExampleServer_Do() {
	var entra entratest.Server
	r, err := http.NewRequest(http.MethodGet, "https://login.microsoftonline.com/contoso.com/v2.0/.well-known/openid-configuration", nil)
	if err != nil {
		log.Fatal(err)
	}
	reply, err := entra.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer reply.Body.Close()
	var document struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := json.NewDecoder(reply.Body).Decode(&document); err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.Status, document.TokenEndpoint)
	// Output: 200 OK https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token
}

// Behind a TLS server of net/http/httptest, a Server serves other processes and other languages.
// The client's authority is then the server's URL.
func ExampleServer_ServeHTTP() {
	var entra entratest.Server
	server := httptest.NewTLSServer(&entra)
	defer server.Close()
	reply, err := server.Client().PostForm(server.URL+"/contoso.com/oauth2/v2.0/token", url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {"11111111-2222-3333-4444-555555555555"},
		"scope":                 {"https://vault.azure.net/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {token()},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer reply.Body.Close()
	var body struct {
		TokenType string `json:"token_type"`
		ExpiresIn int    `json:"expires_in"`
	}
	if err := json.NewDecoder(reply.Body).Decode(&body); err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.Status, body.TokenType, body.ExpiresIn)
	// Output: 200 OK Bearer 3599
}

// Requests returns what the code under test sent. It prints without the federated token.
func ExampleServer_Requests() {
	var entra entratest.Server
	if err := signIn(&entra, token()); err != nil {
		log.Fatal(err)
	}
	for _, r := range entra.Requests() {
		fmt.Println(r.Kind, r.Method, r.Path, r.ClientID, r.Header.Get("Content-Type"))
	}
	// Output: token POST /contoso.com/oauth2/v2.0/token 11111111-2222-3333-4444-555555555555 application/x-www-form-urlencoded
}

// ForgetRequests restarts the count, after setup that the test is not about.
func ExampleServer_ForgetRequests() {
	var entra entratest.Server
	if err := signIn(&entra, token()); err != nil {
		log.Fatal(err)
	}
	entra.ForgetRequests()
	if err := signIn(&entra, token()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(entra.Requests()))
	// Output: 1
}
