package tokenfile_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/tokenfile"
)

// New does not access the file, which may appear later.
func ExampleNew() {
	// In a pod, the path is os.Getenv("AZURE_FEDERATED_TOKEN_FILE").
	source := tokenfile.New("/var/run/secrets/azure/wi/token/azure-identity-token")
	fmt.Println("reads", source)
	// Output: reads `/var/run/secrets/azure/wi/token/azure-identity-token`
}

// Every call reads the file, so a token that has been replaced is never returned.
func ExampleSource_Assertion() {
	dir, err := os.MkdirTemp("", "volume") // in a test: t.TempDir()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	// In a pod, the path is os.Getenv("AZURE_FEDERATED_TOKEN_FILE").
	path := filepath.Join(dir, "azure-identity-token")
	source := tokenfile.New(path)
	var cluster entratest.Cluster
	for range 2 {
		issued, err := cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
		if err != nil {
			log.Fatal(err)
		}
		// In a pod, the kubelet does this.
		if err := os.WriteFile(path, []byte(issued+"\n"), 0o600); err != nil {
			log.Fatal(err)
		}
		assertion, err := source.Assertion(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(assertion == issued)
	}
	// Output:
	// true
	// true
}

// errors.Is says what is wrong with the file. The error's text quotes nothing from it.
func ExampleSource_Assertion_errors() {
	dir, err := os.MkdirTemp("", "files") // in a test: t.TempDir()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	expired, err := new(entratest.Cluster).Token(entratest.TokenRequest{Lifetime: -time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	for name, content := range map[string]string{"expired": expired, "malformed": "hunter2"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			log.Fatal(err)
		}
	}
	for _, name := range []string{"expired", "malformed", "missing"} {
		_, err := tokenfile.New(filepath.Join(dir, name)).Assertion(context.Background())
		switch {
		case errors.Is(err, tokenfile.ErrExpired):
			fmt.Println(name, "- is the kubelet still replacing it?")
		case errors.Is(err, tokenfile.ErrMalformed):
			fmt.Println(name, "- is it the right file?")
		case errors.Is(err, fs.ErrNotExist):
			fmt.Println(name, "- was the pod created after the webhook was set up?")
		default:
			fmt.Println(name, err)
		}
	}
	// Output:
	// expired - is the kubelet still replacing it?
	// malformed - is it the right file?
	// missing - was the pod created after the webhook was set up?
}

// The claims are for messages. They are not verified: Entra ID does that.
func ExampleParse() {
	raw, err := new(entratest.Cluster).Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout", Pod: "checkout-0"})
	if err != nil {
		log.Fatal(err)
	}
	token, err := tokenfile.Parse(raw)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("issuer  ", token.Issuer)
	fmt.Println("subject ", token.Subject)
	fmt.Println("audience", token.Audience)
	fmt.Println("lifetime", token.Expiry.Sub(token.IssuedAt))
	fmt.Println("pod     ", token.Kubernetes.Pod.Name)
	// Output:
	// issuer   https://eastus.oic.prod-aks.azure.com/10000000-0000-4000-8000-000000000001/20000000-0000-4000-8000-000000000002/
	// subject  system:serviceaccount:shop:checkout
	// audience [api://AzureADTokenExchange]
	// lifetime 1h0m0s
	// pod      checkout-0
}

// An error names the part that is wrong and quotes nothing.
func ExampleParse_malformed() {
	_, err := tokenfile.Parse("hunter2")
	fmt.Println(err)
	fmt.Println(errors.Is(err, tokenfile.ErrMalformed))
	// Output:
	// tokenfile: not a JSON Web Token: a JWT has 3 segments, and it has 1
	// true
}
