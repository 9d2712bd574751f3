package bench

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// actor is the state of a program that acts for many identities.
type actor struct {
	credential func(id credential.Identity) (azcore.TokenCredential, error)
	forget     func(id credential.Identity) // after the identity's credentials are dropped
}

func (a actor) open(tb testing.TB, id credential.Identity) azcore.TokenCredential {
	cred, err := a.credential(id)
	require.NoError(tb, err)
	return cred
}

// identity returns the i-th identity: a service account in its own namespace.
func identity(i int) credential.Identity {
	return credential.Identity{
		TenantID: tenantID,
		ClientID: fmt.Sprintf("11111111-2222-4333-8444-%012d", i),
		Subject:  fmt.Sprintf("system:serviceaccount:tenant-%d:app", i),
	}
}

// assertionOf returns a federated token of the identity. It has no valid signature: signing two
// thousand tokens would take longer than the measured code.
func assertionOf(id credential.Identity) (string, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": entratest.DefaultIssuer, "sub": id.Subject, "aud": []string{"api://AzureADTokenExchange"},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims) + "." + encode(make([]byte, 256)), err
}

func actAzidentity(_ testing.TB, transport policy.Transporter) actor {
	options := new(azidentity.ClientAssertionCredentialOptions)
	options.Transport = transport
	return actor{
		credential: func(id credential.Identity) (azcore.TokenCredential, error) {
			assertion := func(context.Context) (string, error) { return assertionOf(id) }
			return azidentity.NewClientAssertionCredential(id.TenantID, id.ClientID, assertion, options)
		},
		forget: func(credential.Identity) {}, // there is nothing but the credential
	}
}

func actPool(tb testing.TB, transport policy.Transporter) actor {
	options := new(credential.PoolOptions)
	options.Transport = transport
	options.Assertion = func(_ context.Context, id credential.Identity) (string, error) {
		return assertionOf(id)
	}
	pool, err := credential.NewPool(options)
	require.NoError(tb, err)
	return actor{
		credential: func(id credential.Identity) (azcore.TokenCredential, error) { return pool.For(id) },
		forget:     pool.Forget,
	}
}
