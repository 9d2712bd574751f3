package setups

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// clusterHost is the host of the cluster's issuer.
const clusterHost = "eastus.oic.prod-aks.azure.com"

const couldNotFetch = `could not fetch "` + entratest.DefaultIssuer + `.well-known/openid-configuration"`

var issuers = []Setup{
	{
		Name: "issuer-within-the-cluster", About: "the cluster's issuer is its own API server, not a public URL", Code: 700211,
		Words: []string{
			`the issuer "https://kubernetes.default.svc.cluster.local" is not a public https URL`, "az aks update --enable-oidc-issuer", "--service-account-issuer",
		},
		Break: func(p *Pod) error { return p.move("https://kubernetes.default.svc.cluster.local") },
	},
	{
		Name: "issuer-with-private-address", About: "the registered issuer has a private address", Code: 90061,
		Words: []string{`the issuer "https://10.0.0.1" is not a public https URL`, "--service-account-jwks-uri"},
		Break: func(p *Pod) error {
			return errors.Join(p.move("https://10.0.0.1"), p.reregister(func(f *entratest.FederatedCredential) { f.Issuer = "https://10.0.0.1" }))
		},
	},
	{
		Name: "issuer-with-private-name", About: "the registered issuer has a name of the company's own network", Code: 90061,
		Words: []string{`the issuer "https://ci.corp" is not a public https URL`, "issue tokens with that URL as their issuer"},
		Break: both(
			registered(func(f *entratest.FederatedCredential) { f.Issuer, f.Subject = "https://ci.corp", "job/orders" }),
			func(p *Pod) error {
				err := claimed(func(c jwt.MapClaims) { c["iss"], c["sub"] = "https://ci.corp", "job/orders" })(p)
				delete(p.outside, "ci.corp")
				return err
			},
		),
	},
	{
		Name: "keys-at-private-address", About: "the issuer is public, but its document gives the API server's private address for the keys", Code: 90061,
		Words: []string{`could not fetch "https://oidc.shop.example/.well-known/openid-configuration", or the keys it points to (jwks_uri)`, "--service-account-jwks-uri"},
		Break: func(p *Pod) error {
			issuer, keys := "https://oidc.shop.example", &url.URL{Scheme: "https", Host: "172.18.0.2:6443"}
			key, err1 := ownJWK()
			raw, err2 := signed(claimsOf(issuer))
			p.publishAs(keys, map[string]any{"issuer": issuer}, key)
			p.publishAs(&url.URL{Scheme: "https", Host: "oidc.shop.example"}, map[string]any{"issuer": issuer, "jwks_uri": keys.String() + "/openid/v1/jwks"}, key)
			delete(p.outside, keys.Host)
			return errors.Join(err1, err2, p.write(raw), p.reregister(func(f *entratest.FederatedCredential) { f.Issuer = issuer }))
		},
	},
	{
		Name: "issuer-registered-as-documented", About: "the credential has the issuer from the issuer's document, which lacks the slash in the tokens", Code: 700211,
		Words: []string{"exactly this issuer (with the slash at its end)"},
		Break: func(p *Pod) error {
			issuer := "https://oidc.shop.example"
			p.Cluster = &entratest.Cluster{Issuer: issuer}
			raw, err := signed(claimsOf(issuer + "/"))
			return errors.Join(err, p.write(raw), p.serveCluster(p.Cluster, issuer), p.reregister(func(f *entratest.FederatedCredential) { f.Issuer = issuer }))
		},
	},
	{
		Name: "issuer-down", About: "the issuer answers every request with 503", Code: 90061,
		Words: []string{couldNotFetch, "az aks show --query oidcIssuerProfile.issuerUrl", "public"},
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
		Name: "issuer-behind-firewall", About: "the issuer's documents are reachable from the pod, but not from the internet", Code: 90061,
		Words: []string{couldNotFetch, "without sign-in or firewall"},
		Break: func(p *Pod) error {
			delete(p.outside, clusterHost)
			return nil
		},
	},
	{
		Name: "issuer-serves-sign-in-page", About: "the issuer serves a sign-in page instead of its documents", Code: 50166,
		Words: []string{"could not fetch", ".well-known/openid-configuration", "without sign-in or firewall"},
		Break: func(p *Pod) error {
			p.serve(clusterHost, page(http.StatusOK, "<html>sign in</html>"))
			return nil
		},
	},
	{
		Name: "issuer-names-another", About: "the issuer's document names the issuer without the slash", Code: 50166,
		Words: []string{couldNotFetch, "or the keys it points to"},
		Break: func(p *Pod) error {
			twin := &entratest.Cluster{Issuer: strings.TrimSuffix(entratest.DefaultIssuer, "/")}
			p.serve(clusterHost, twin.Do)
			return nil
		},
	},
	{
		Name: "issuer-hides-its-keys", About: "the issuer's configuration is public, but its key set is not", Code: 90061,
		Words: []string{couldNotFetch, "or the keys it points to"},
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
		Name: "key-padded", About: "the issuer publishes its key's n as base64 with padding", Code: 7000272,
		Words: []string{"not in the issuer's key set"},
		Break: published(func(key map[string]any) { key["n"] = fmt.Sprint(key["n"]) + "==" }),
	},
	{
		Name: "key-for-encryption", About: "the issuer publishes its key as one for encryption", Code: 7000272,
		Words: []string{"not in the issuer's key set"},
		Break: published(func(key map[string]any) { key["use"] = "enc" }),
	},
	{
		Name: "key-as-certificate", About: "the issuer publishes its key only as a certificate", Code: 7000272,
		Words: []string{"not in the issuer's key set"},
		Break: published(func(key map[string]any) {
			delete(key, "n")
			delete(key, "e")
			key["x5c"] = []string{"MIIB"}
		}),
	},
	{
		Name: "key-of-another-kind", About: "the key does not fit RS256", Code: 5002730,
		Words: []string{`does not fit the algorithm "RS256"`, "--service-account-signing-key-file"},
		Break: refused(5002730),
	},
	{
		Name: "token-altered", About: "something changed the token after it was signed", Code: 7000274,
		Words: []string{"altered after signing", "the token file "},
		Break: func(p *Pod) error { return p.write(altered(p.Projection.Token())) },
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
		Name: "access-token-as-assertion", About: "the program presents an access token from Entra ID instead of its federated token", Code: 700222,
		Words: []string{`access token that Entra ID issued for "https://vault.azure.net", not a federated token`, "workload's own issuer"},
		Break: func(p *Pod) error {
			token, err := p.accessToken()
			return errors.Join(err, p.write(token))
		},
	},
}

// altered changes one character in the middle of a token's signature.
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
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {p.Scope}, "client_assertion": {p.Projection.Token()},
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
