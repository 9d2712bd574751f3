package tokenfile_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/entrafed/entrafed/tokenfile"
)

// sample has the shape of a projected token, and a signature that is none.
var sample = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"k1"}`)) + "." +
	base64.RawURLEncoding.EncodeToString([]byte(`{
		"iss": "https://eastus.oic.prod-aks.azure.com/tenant/cluster/",
		"sub": "system:serviceaccount:shop:checkout",
		"aud": ["api://AzureADTokenExchange"],
		"exp": 4102444800,
		"kubernetes.io": {"namespace": "shop", "pod": {"name": "checkout-0", "uid": "1"}}
	}`)) + ".c2lnbmF0dXJl"

func ExampleSource_Assertion() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "azure-identity-token") // in a pod: os.Getenv("AZURE_FEDERATED_TOKEN_FILE")
	if err := os.WriteFile(path, []byte(sample+"\n"), 0o600); err != nil {
		log.Fatal(err)
	}

	source := tokenfile.New(path)
	assertion, err := source.Assertion(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(assertion == sample)
	// Output: true
}

func ExampleParse() {
	token, err := tokenfile.Parse(sample)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("issuer  ", token.Issuer)
	fmt.Println("subject ", token.Subject)
	fmt.Println("audience", token.Audience)
	fmt.Println("expires ", token.Expiry)
	fmt.Println("pod     ", token.Kubernetes.Pod.Name)
	// Output:
	// issuer   https://eastus.oic.prod-aks.azure.com/tenant/cluster/
	// subject  system:serviceaccount:shop:checkout
	// audience [api://AzureADTokenExchange]
	// expires  2100-01-01 00:00:00 +0000 UTC
	// pod      checkout-0
}

func ExampleParse_malformed() {
	_, err := tokenfile.Parse("hunter2")
	fmt.Println(err)
	fmt.Println(errors.Is(err, tokenfile.ErrMalformed))
	// Output:
	// tokenfile: not a JSON Web Token: it has 1 segments where a JWT has 3
	// true
}
