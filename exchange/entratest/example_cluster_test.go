package entratest_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// A token has the claims of one from kube-apiserver.
func ExampleCluster_Token() {
	var cluster entratest.Cluster
	raw, err := cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout", Pod: "checkout-0"})
	if err != nil {
		log.Fatal(err)
	}
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(raw, claims); err != nil {
		log.Fatal(err)
	}
	fmt.Println(claims["sub"], claims["aud"])
	// Output: system:serviceaccount:shop:checkout [api://AzureADTokenExchange]
}

// Do serves the issuer's documents without a socket.
func ExampleCluster_Do() {
	var cluster entratest.Cluster
	r, err := http.NewRequest(http.MethodGet, entratest.DefaultIssuer+".well-known/openid-configuration", nil)
	if err != nil {
		log.Fatal(err)
	}
	reply, err := cluster.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer reply.Body.Close()
	var document struct{ Issuer string }
	if err := json.NewDecoder(reply.Body).Decode(&document); err != nil {
		log.Fatal(err)
	}
	fmt.Println(document.Issuer == entratest.DefaultIssuer)
	// Output: true
}

// Behind a TLS server, the fake Entra ID fetches the issuer's keys over the network, as the real
// one does.
func ExampleCluster_ServeHTTP() {
	var cluster entratest.Cluster
	issuer := httptest.NewTLSServer(&cluster)
	defer issuer.Close()
	cluster.Issuer = issuer.URL

	entra := &entratest.Server{HTTPClient: issuer.Client()}
	trusted := checkout
	trusted.Issuer = issuer.URL
	if err := entra.Trust(trusted); err != nil {
		log.Fatal(err)
	}
	assertion, err := cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(signIn(entra, assertion))
	// Output: <nil>
}

// Entra ID cannot reach the cluster's issuer, for example because of a firewall.
func ExampleCluster_SetUnavailable() {
	entra, cluster, assertion := setUp()
	cluster.SetUnavailable(true)
	fmt.Println(signIn(entra, assertion))
	cluster.SetUnavailable(false)
	fmt.Println(signIn(entra, assertion))
	// Output:
	// AADSTS90061: Request to External OIDC endpoint failed
	// <nil>
}

// The cluster rotates its signing key. An older token stays valid while the issuer still publishes
// the old key.
func ExampleCluster_RotateKey() {
	entra, cluster, assertion := setUp()
	cluster.RotateKey()
	fmt.Println(signIn(entra, assertion))
	// Output: <nil>
}

// Once the old key is gone, only the kubelet's next token is accepted.
func ExampleCluster_DropOldKeys() {
	entra, cluster, old := setUp()
	cluster.RotateKey()
	cluster.DropOldKeys()
	next, err := cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("old token:", strings.Contains(fmt.Sprint(signIn(entra, old)), "AADSTS7000272"))
	fmt.Println("next token:", signIn(entra, next))
	// Output:
	// old token: true
	// next token: <nil>
}

// A projected token is a file, as in a pod. Give the program under test its path in
// AZURE_FEDERATED_TOKEN_FILE.
func ExampleCluster_Project() {
	dir, err := os.MkdirTemp("", "volume") // in a test: t.TempDir()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var cluster entratest.Cluster
	volume, err := cluster.Project(dir, "", entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
	if err != nil {
		log.Fatal(err)
	}
	content, err := os.ReadFile(volume.Path())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(filepath.Base(volume.Path()), string(content) == volume.Token())
	// Output: azure-identity-token true
}

// The kubelet replaces a token at 80% of its lifetime. A test does so with Rotate.
func ExampleProjection_Rotate() {
	dir, err := os.MkdirTemp("", "volume") // in a test: t.TempDir()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var cluster entratest.Cluster
	volume, err := cluster.Project(dir, "", entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
	if err != nil {
		log.Fatal(err)
	}
	before := volume.Token()
	if err := volume.Rotate(); err != nil {
		log.Fatal(err)
	}
	after, err := os.ReadFile(volume.Path())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(after) == volume.Token(), string(after) == before)
	// Output: true false
}
