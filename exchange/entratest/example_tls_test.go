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

// A fake Entra ID serves TLS with the name of the real authority.
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

// The token proxy of an AKS identity binding has an address in the cluster, a separate server name,
// and its own CA.
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

// The token proxy of an AKS identity binding accepts only tokens for its own audience. Do serves
// clients that need no TLS settings for the proxy.
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
