package broken

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// clusterHost is that of the cluster's issuer.
const clusterHost = "eastus.oic.prod-aks.azure.com"

const couldNotFetch = `could not fetch "` + entratest.DefaultIssuer + `"`

var issuers = []Setup{
	{
		Name: "issuer-within-the-cluster", About: "the cluster's issuer is its own API server, not a public URL", Code: 700211,
		Words: []string{
			`the issuer "https://kubernetes.default.svc.cluster.local" is not a public https URL`, "az aks update --enable-oidc-issuer", "--service-account-issuer",
		},
		Break: func(p *Pod) error { return p.move("https://kubernetes.default.svc.cluster.local") },
	},
	{
		Name: "issuer-with-private-address", About: "the issuer is registered, but has a private address", Code: 90061,
		Words: []string{`the issuer "https://10.0.0.1" is not a public https URL`, "publish its two documents"},
		Break: func(p *Pod) error {
			return errors.Join(p.move("https://10.0.0.1"), p.reregister(func(f *entratest.FederatedCredential) { f.Issuer = "https://10.0.0.1" }))
		},
	},
	{
		Name: "issuer-down", About: "the issuer answers every request with 503", Code: 90061,
		Words: []string{couldNotFetch, "public internet", "az aks update --enable-oidc-issuer"},
		Break: func(p *Pod) error {
			p.Cluster.SetUnavailable(true)
			return nil
		},
	},
	{
		Name: "issuer-gone", About: "the issuer's host does not exist: the cluster was deleted", Code: 90061,
		Words: []string{couldNotFetch, "curl them from outside"},
		Break: func(p *Pod) error {
			delete(p.here, clusterHost)
			delete(p.outside, clusterHost)
			return nil
		},
	},
	{
		Name: "issuer-behind-firewall", About: "the issuer's documents can be had from the pod, but not from the internet", Code: 90061,
		Words: []string{couldNotFetch, "without sign-in or firewall"},
		Break: func(p *Pod) error {
			delete(p.outside, clusterHost)
			return nil
		},
	},
	{
		Name: "issuer-serves-sign-in-page", About: "a page for signing in stands before the issuer's documents", Code: 50166,
		Words: []string{"could not fetch", ".well-known/openid-configuration", "without sign-in or firewall"},
		Break: func(p *Pod) error {
			p.serve(clusterHost, page(http.StatusOK, "<html>sign in</html>"))
			return nil
		},
	},
	{
		Name: "issuer-names-another", About: "the issuer's document is of an issuer without the slash", Code: 50166,
		Words: []string{couldNotFetch, "or the keys that it names"},
		Break: func(p *Pod) error {
			twin := &entratest.Cluster{Issuer: strings.TrimSuffix(entratest.DefaultIssuer, "/")}
			p.serve(clusterHost, twin.Do)
			return nil
		},
	},
	{
		Name: "issuer-hides-its-keys", About: "the issuer's key set, unlike its configuration, was not published", Code: 90061,
		Words: []string{couldNotFetch, "or the keys that it names"},
		Break: func(p *Pod) error {
			p.serve(clusterHost, func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/jwks") {
					return page(http.StatusForbidden, "<html>forbidden</html>")(r)
				}
				return p.Cluster.Do(r)
			})
			return nil
		},
	},
	{
		Name: "key-not-published", About: "the token is signed with a key that the issuer does not publish", Code: 7000272,
		Words: []string{"not in the issuer's key set", "kubectl get --raw /openid/v1/jwks", "20 to 30 minutes"},
		Break: func(p *Pod) error {
			token, err := signed(claims())
			return errors.Join(err, p.write(token))
		},
	},
	{
		Name: "token-altered", About: "something changed the token after it was signed", Code: 7000274,
		Words: []string{"altered after signing", "the token file "},
		Break: func(p *Pod) error { return p.write(altered(p.Volume.Token())) },
	},
	{
		Name: "key-elliptic", About: "the cluster signs with an elliptic key", Code: 5002738,
		Words: []string{`signed with "ES256"`, "RSA key", "--service-account-signing-key-file"},
		Break: func(p *Pod) error {
			token, err := ellipticallySigned(claims())
			return errors.Join(err, p.write(token))
		},
	},
	{
		Name: "access-token-as-assertion", About: "the program presents an access token of Entra ID's, not the workload's own", Code: 700222,
		Words: []string{`access token that Entra ID issued for "https://vault.azure.net", not a federated token`, "workload's own issuer"},
		Break: func(p *Pod) error {
			token, err := p.accessToken()
			return errors.Join(err, p.write(token))
		},
	},
}

// altered changes a bit in the middle of a token's signature.
func altered(token string) string {
	at := strings.LastIndex(token, ".") + 20
	return token[:at] + strings.Map(func(c rune) rune {
		if c == 'A' {
			return 'B'
		}
		return 'A'
	}, token[at:at+1]) + token[at+1:]
}

// accessToken signs in as the pod should, without the library.
func (p *Pod) accessToken() (string, error) {
	reply, err := p.HTTPClient.PostForm("https://"+authority+"/"+tenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {p.Scope}, "client_assertion": {p.Volume.Token()},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	if err != nil {
		return "", err
	}
	defer reply.Body.Close()
	var body struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(reply.Body).Decode(&body); err != nil {
		return "", err
	}
	if body.Token == "" {
		return "", fmt.Errorf("no access token: %s", reply.Status)
	}
	return body.Token, nil
}
