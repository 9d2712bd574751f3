package entratest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// transport is what the code below needs of an HTTP client. A Server is one.
type transport interface {
	Do(*http.Request) (*http.Response, error)
}

// signIn stands for the code under test: it reads the token file and exchanges the token for an access token.
func signIn(client transport, tokenFile string) error {
	assertion, err := os.ReadFile(tokenFile)
	if err != nil {
		return err
	}
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {"11111111-2222-3333-4444-555555555555"},
		"scope":                 {"https://vault.azure.net/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {string(assertion)},
	}
	r, err := http.NewRequest(http.MethodPost, "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	reply, err := client.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	var body struct {
		Token       string `json:"access_token"`
		Description string `json:"error_description"`
	}
	if err := json.NewDecoder(reply.Body).Decode(&body); err != nil {
		return err
	}
	if body.Token == "" {
		text, _, _ := strings.Cut(body.Description, ". ") // the first sentence
		return errors.New(text)
	}
	return nil
}

// pod is what the examples start from: a cluster with a pod in it, and an Entra ID that trusts the pod's service account.
type pod struct {
	entra      entratest.Server
	cluster    entratest.Cluster
	credential entratest.FederatedCredential
	volume     *entratest.Projection
	dir        string
}

func newPod() *pod {
	p := &pod{credential: entratest.FederatedCredential{
		TenantID: "contoso.com",
		ClientID: "11111111-2222-3333-4444-555555555555",
		Issuer:   entratest.DefaultIssuer,
		Subject:  "system:serviceaccount:shop:checkout",
	}}
	var err error
	if err = p.entra.TrustCluster(&p.cluster, p.credential); err != nil {
		panic(err)
	}
	if p.dir, err = os.MkdirTemp("", "pod"); err != nil { // in a test: t.TempDir()
		panic(err)
	}
	p.volume, err = p.cluster.Project(p.dir, "azure-identity-token", entratest.TokenRequest{
		Namespace: "shop", ServiceAccount: "checkout", Pod: "checkout-0",
	})
	if err != nil {
		panic(err)
	}
	return p
}

func (p *pod) close() { os.RemoveAll(p.dir) }

// A unit test of one's own code: the code gets the fake as its transport and the path of a projected token, and signs in as it
// would in a pod. Nothing leaves the process.
func ExampleServer_TrustCluster() {
	var entra entratest.Server
	var cluster entratest.Cluster
	err := entra.TrustCluster(&cluster, entratest.FederatedCredential{
		TenantID: "contoso.com",
		ClientID: "11111111-2222-3333-4444-555555555555",
		Subject:  "system:serviceaccount:shop:checkout",
	})
	if err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "volume") // in a test: t.TempDir()
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	volume, err := cluster.Project(dir, "azure-identity-token", entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
	if err != nil {
		panic(err)
	}

	fmt.Println(signIn(&entra, volume.Path()))
	for _, seen := range entra.Requests() {
		fmt.Println(seen.Kind, seen.TenantID, seen.ClientID)
	}
	// Output:
	// <nil>
	// token contoso.com 11111111-2222-3333-4444-555555555555
}

// Misconfiguration is refused in the words that a user would see: here a subject whose case is another than the service account's.
func ExampleServer_Trust() {
	p := newPod()
	defer p.close()
	wrong := p.credential
	wrong.Subject = "system:serviceaccount:shop:Checkout"
	if err := p.entra.Revoke(p.credential); err != nil {
		panic(err)
	}
	if err := p.entra.Trust(wrong); err != nil {
		panic(err)
	}
	fmt.Println(signIn(&p.entra, p.volume.Path()))

	wrong.Issuer, wrong.Audiences = "http://issuer.example", []string{"api://AzureADTokenExchange", "second"}
	fmt.Println(p.entra.Trust(wrong))
	// Output:
	// AADSTS7002138: No matching federated identity record found for presented assertion subject 'system:serviceaccount:shop:checkout'
	// entratest: federated credential "system:serviceaccount:shop:Checkout" of client "11111111-2222-3333-4444-555555555555" in tenant "contoso.com": the Issuer "http://issuer.example" is not an https URL; there are 2 Audiences, but a federated credential has exactly one
}

// The cluster's signing key is rotated. The token in the file stays good while the issuer shows the old key too; then the
// kubelet's next token is needed.
func ExampleCluster_RotateKey() {
	p := newPod()
	defer p.close()
	if err := p.cluster.RotateKey(); err != nil {
		panic(err)
	}
	fmt.Println("both keys:", signIn(&p.entra, p.volume.Path()))
	p.cluster.DropOldKeys()
	err := signIn(&p.entra, p.volume.Path())
	fmt.Println("new key:", strings.HasPrefix(err.Error(), "AADSTS7000272: "))
	if err := p.volume.Rotate(); err != nil {
		panic(err)
	}
	fmt.Println("new token:", signIn(&p.entra, p.volume.Path()))
	// Output:
	// both keys: <nil>
	// new key: true
	// new token: <nil>
}

// A federated credential is removed, then an application disabled.
func ExampleServer_Revoke() {
	p := newPod()
	defer p.close()
	if err := p.entra.Revoke(p.credential); err != nil {
		panic(err)
	}
	fmt.Println(signIn(&p.entra, p.volume.Path()))
	if err := p.entra.Trust(p.credential); err != nil {
		panic(err)
	}
	fmt.Println(signIn(&p.entra, p.volume.Path()))
	if err := p.entra.SetDisabled(p.credential.TenantID, p.credential.ClientID, true); err != nil {
		panic(err)
	}
	fmt.Println(signIn(&p.entra, p.volume.Path()))
	// Output:
	// AADSTS70025: The client '11111111-2222-3333-4444-555555555555'(11111111-2222-3333-4444-555555555555) has no configured federated identity credentials
	// <nil>
	// AADSTS7000112: Application '11111111-2222-3333-4444-555555555555'(11111111-2222-3333-4444-555555555555) is disabled
}

// An outage of Entra ID lasts until it is ended, and so does one of the cluster's issuer, which Entra asks for its keys.
func ExampleServer_SetReply() {
	p := newPod()
	defer p.close()
	outage := entratest.Unavailable(30 * time.Second)
	p.entra.SetReply(&outage)
	fmt.Println(signIn(&p.entra, p.volume.Path()))
	p.entra.SetReply(nil)
	fmt.Println(signIn(&p.entra, p.volume.Path()))

	p.cluster.SetUnavailable(true)
	fmt.Println(signIn(&p.entra, p.volume.Path()))
	p.cluster.SetUnavailable(false)
	fmt.Println(signIn(&p.entra, p.volume.Path()))
	// Output:
	// AADSTS90033: The service is temporarily unavailable
	// <nil>
	// AADSTS90061: Request to External OIDC endpoint failed
	// <nil>
}
