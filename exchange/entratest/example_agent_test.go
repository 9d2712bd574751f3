package entratest_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	contoso   = "22222222-3333-4444-8555-666666666666"
	blueprint = "11111111-2222-3333-4444-555555555555"
	agent     = "77777777-8888-4999-8aaa-bbbbbbbbbbbb"
)

// entraWithAgent returns an Entra ID in which a cluster's service account can sign in as a
// blueprint that has one agent.
func entraWithAgent() *entratest.Server {
	entra, cluster := new(entratest.Server), new(entratest.Cluster)
	err := entra.TrustCluster(cluster, entratest.FederatedCredential{TenantID: contoso, ClientID: blueprint, Subject: "system:serviceaccount:shop:checkout"})
	if err != nil {
		panic(err)
	}
	if err := entra.AddAgent(entratest.Agent{TenantID: contoso, BlueprintID: blueprint, ClientID: agent}); err != nil {
		panic(err)
	}
	return entra
}

// exchangeFor sends a token request with an assertion and returns the access token.
func exchangeFor(entra *entratest.Server, fields url.Values) string {
	fields.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	server := httptest.NewServer(entra)
	defer server.Close()
	reply, err := server.Client().PostForm(server.URL+"/"+contoso+"/oauth2/v2.0/token", fields)
	if err != nil {
		panic(err)
	}
	defer reply.Body.Close()
	var body struct {
		AccessToken string `json:"access_token"`
		Description string `json:"error_description"`
	}
	if err := json.NewDecoder(reply.Body).Decode(&body); err != nil {
		panic(err)
	}
	if body.Description != "" {
		panic(body.Description)
	}
	return body.AccessToken
}

// An agent signs in with a token that its blueprint requested for it.
func ExampleServer_AddAgent() {
	entra := entraWithAgent()
	forAgent := exchangeFor(entra, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {blueprint}, "client_assertion": {token()},
		"scope": {"api://AzureADTokenExchange/.default"}, "fmi_path": {agent},
	})
	access := exchangeFor(entra, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {agent}, "client_assertion": {forAgent},
		"scope": {"https://vault.azure.net/.default"},
	})
	claims, err := entra.VerifyToken(access, "https://vault.azure.net")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("agent:", claims["appid"])
	fmt.Println("of blueprint:", claims["xms_par_app_azp"])
	// Output:
	// agent: 77777777-8888-4999-8aaa-bbbbbbbbbbbb
	// of blueprint: 11111111-2222-3333-4444-555555555555
}

// An API acts on behalf of the user whose token it received.
func ExampleServer_IssueUserToken() {
	entra := entraWithAgent()
	received, err := entra.IssueUserToken(entratest.UserToken{TenantID: contoso, Audience: blueprint, Username: "mia@contoso.example"})
	if err != nil {
		log.Fatal(err)
	}
	access := exchangeFor(entra, url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {blueprint}, "client_assertion": {token()},
		"assertion": {received}, "requested_token_use": {"on_behalf_of"}, "scope": {"https://graph.microsoft.com/User.Read"},
	})
	claims, err := entra.VerifyToken(access, "https://graph.microsoft.com")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(claims["upn"], "lets", claims["appid"], "use", claims["scp"])
	// Output: mia@contoso.example lets 11111111-2222-3333-4444-555555555555 use User.Read
}

// A fake resource accepts only tokens that the fake Entra ID issued for it.
func ExampleServer_VerifyToken() {
	entra := entraWithAgent()
	vault := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if _, err := entra.VerifyToken(token, "https://vault.azure.net"); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "the secret")
	})
	for _, scope := range []string{"https://vault.azure.net/.default", "https://storage.azure.com/.default"} {
		access := exchangeFor(entra, url.Values{
			"grant_type": {"client_credentials"}, "client_id": {blueprint}, "client_assertion": {token()}, "scope": {scope},
		})
		request, reply := httptest.NewRequest(http.MethodGet, "/secrets", nil), httptest.NewRecorder()
		request.Header.Set("Authorization", "Bearer "+access)
		vault.ServeHTTP(reply, request)
		fmt.Println(reply.Code, reply.Body)
	}
	// Output:
	// 200 the secret
	// 401 entratest: access token: token has invalid claims: token has invalid audience
}
