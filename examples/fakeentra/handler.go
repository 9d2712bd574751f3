package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
)

// served is the reply to an unknown path. Its arguments are the cluster's issuer and the
// subscription.
const served = `fakeentra serves:

POST /{tenant}/oauth2/v2.0/token
POST /{tenant}/oauth2/token
GET  /{tenant}/v2.0/.well-known/openid-configuration
GET  /{tenant}/.well-known/openid-configuration
GET  /{tenant}/discovery/v2.0/keys
GET  /{tenant}/discovery/keys
GET  /common/discovery/instance?authorization_endpoint={url}
GET  /subscriptions
GET  /subscriptions/%[2]s/providers/Microsoft.ManagedIdentity/userAssignedIdentities
GET  /tenants
GET  %[1]s/.well-known/openid-configuration
GET  %[1]s/openid/v1/jwks

With a token for Microsoft Graph, it also serves /v1.0/applications and their federatedIdentityCredentials.
`

// subscription is Azure Resource Manager's only subscription. It has no resources.
const subscription = "30000000-0000-4000-8000-000000000003"

// handler serves the pod's network, and the part of Azure Resource Manager that the Azure CLI needs
// to sign in.
func (f *fake) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /subscriptions", list(map[string]any{
		"id": "/subscriptions/" + subscription, "subscriptionId": subscription, "tenantId": f.pod.TenantID, "displayName": "fakeentra", "state": "Enabled",
	}))
	mux.HandleFunc("GET /subscriptions/"+subscription+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities", list())
	mux.HandleFunc("GET /tenants", list())
	mux.Handle("/", &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			// The TLS server name decides: clients of a token proxy keep Entra ID's name in Host.
			r.Out.URL.Scheme, r.Out.URL.Host = "https", f.site(r.In.TLS.ServerName)
			r.Out.Host = r.In.Host // for the URLs in Entra ID's documents
			if r.In.Method == http.MethodPost && r.In.Host != graphHost {
				r.Out.Host = f.site(r.In.Host) // the host selects the cloud that Entra ID validates for
			}
		},
		Transport:      f.pod.network,
		ModifyResponse: f.explain,
		ErrorHandler:   noAnswer,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer f.pod.Entra.ForgetRequests() // right away, because fakeentra may run for days
		mux.ServeHTTP(w, r)
	})
}

// site maps a client's host to one in the pod's network. This machine's addresses and short names
// mean Entra ID. So does Microsoft Graph, which has the same directory.
func (f *fake) site(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == f.host || host == graphHost || !strings.Contains(host, ".") || net.ParseIP(host) != nil {
		return entraHosts[0]
	}
	return host
}

// list serves a list in Azure Resource Manager's format.
func list(values ...map[string]any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		// Encode fails only if the client is gone.
		_ = json.NewEncoder(w).Encode(map[string]any{"value": append([]map[string]any{}, values...)})
	}
}

// explain replies to an unknown path with the list of known ones.
func (f *fake) explain(r *http.Response) error {
	r.Header.Del("Strict-Transport-Security") // browsers would apply it to localhost, on every port
	if r.StatusCode != http.StatusNotFound || r.ContentLength > 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
		return nil
	}
	text := fmt.Sprintf(served, strings.TrimSuffix(f.pod.issuer, "/"), subscription)
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	r.Header.Del("Content-Length")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	return nil
}

// noAnswer drops the connection, as if the host were unreachable.
func noAnswer(w http.ResponseWriter, _ *http.Request, err error) {
	if seen, ok := w.(*witness); ok {
		seen.lost = err
	}
	panic(http.ErrAbortHandler)
}
