package entratest_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A server that is known by another name than its address: here an Entra ID, with the authority's name.
func ExampleNewCA() {
	var entra entratest.Server
	ca, err := entratest.NewCA()
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := ca.Certificate("login.microsoftonline.com")
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewUnstartedServer(&entra)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()

	connection, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{
		RootCAs: ca.Pool(), ServerName: "login.microsoftonline.com", MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	fmt.Println(connection.ConnectionState().PeerCertificates[0].DNSNames)
	// Output: [login.microsoftonline.com]
}

// The token proxy of an AKS identity binding has an address in the cluster, a name of its own and a CA of its own.
func ExampleTokenProxy_ServeHTTP() {
	var entra entratest.Server
	ca, err := entratest.NewCA()
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := ca.Certificate("proxy.ests.aks.example")
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewUnstartedServer(&entratest.TokenProxy{Server: &entra})
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()

	client, err := exchange.NewClient(&exchange.ClientOptions{IdentityBinding: &exchange.IdentityBinding{
		TokenProxy: server.URL,
		SNIName:    "proxy.ests.aks.example",
		CAData:     string(ca.PEM()),
	}})
	if err != nil {
		log.Fatal(err)
	}
	assertion, err := new(entratest.Cluster).Token(entratest.TokenRequest{Audiences: []string{"api://AKSIdentityBinding"}})
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Exchange(context.Background(), exchange.Request{
		TenantID:  "contoso.com",
		ClientID:  "11111111-2222-3333-4444-555555555555",
		Scopes:    []string{"https://vault.azure.net/.default"},
		Assertion: assertion,
	})
	fmt.Println(entra.Requests()[0].Host, err)
	// Output: login.microsoftonline.com <nil>
}

// The token proxy of an AKS identity binding takes tokens for its own audience, and no others. Do is for clients that need no TLS
// settings for it.
func ExampleTokenProxy_Do() {
	var entra entratest.Server
	proxy := &entratest.TokenProxy{Server: &entra}
	bound, err := new(entratest.Cluster).Token(entratest.TokenRequest{Audiences: []string{"api://AKSIdentityBinding"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(signIn(proxy, bound))
	fmt.Println(signIn(proxy, token()))
	// Output:
	// <nil>
	// Forbidden
}
