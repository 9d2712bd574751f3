package azure_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	armpolicy "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	blobHost   = "shop.blob.core.windows.net"
	vaultHost  = "shop.vault.azure.net"
	armHost    = "management.azure.com"
	cosmosHost = "shop.documents.azure.com"

	storageAudience = "https://storage.azure.com"
	vaultAudience   = "https://vault.azure.net"
	armAudience     = "https://management.core.windows.net/" // the scope has two slashes: "…net//.default"
	cosmosAudience  = "https://shop.documents.azure.com"
)

// service is one call of a real client, with its server.
type service struct {
	name, host, audience string
	serve                http.HandlerFunc

	// dial makes a client and returns a call of it.
	dial func(t *testing.T, r *rig, cred azcore.TokenCredential, policies ...policy.Policy) func() error
}

var (
	storage = service{"azblob", blobHost, storageAudience, serveBlob, dialBlob}
	vault   = service{"azsecrets", vaultHost, vaultAudience, serveSecret, dialVault}
	arm     = service{"armresources", armHost, armAudience, serveGroup, dialARM}
	cosmos  = service{"azcosmos", cosmosHost, cosmosAudience, serveItem, dialCosmos}

	services = []service{storage, vault, arm, cosmos}
)

// guard starts the service's server.
func (s service) guard(t *testing.T, r *rig) *resource {
	t.Helper()
	guarded := r.guard(t, s.host, s.audience, s.serve)
	if s.name == vault.name {
		guarded.challenge = vaultChallenge(tenantID)
	}
	return guarded
}

// vaultChallenge is Key Vault's challenge, which names the vault's tenant.
func vaultChallenge(tenant string) string {
	return fmt.Sprintf(`Bearer authorization="https://%s/%s", resource="%s"`, loginHost, tenant, vaultAudience)
}

func serveBlob(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPut:
		w.WriteHeader(http.StatusCreated)
	default:
		_, _ = io.WriteString(w, "a blob")
	}
}

func dialBlob(t *testing.T, r *rig, cred azcore.TokenCredential, policies ...policy.Policy) func() error {
	t.Helper()
	client, err := azblob.NewClient("https://"+blobHost, cred, &azblob.ClientOptions{ClientOptions: r.sdk(policies...)})
	require.NoError(t, err)
	return func() error {
		response, err := client.DownloadStream(t.Context(), "orders", "1.txt", nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(response.Body)
		assert.NoError(t, response.Body.Close())
		assert.Equal(t, "a blob", string(body))
		return err
	}
}

func serveSecret(w http.ResponseWriter, r *http.Request) {
	reply(w, map[string]string{"id": "https://" + r.Host + "/secrets/db/1", "value": "a secret"})
}

func dialVault(t *testing.T, r *rig, cred azcore.TokenCredential, policies ...policy.Policy) func() error {
	t.Helper()
	client, err := azsecrets.NewClient("https://"+vaultHost, cred, &azsecrets.ClientOptions{ClientOptions: r.sdk(policies...)})
	require.NoError(t, err)
	return func() error {
		response, err := client.GetSecret(t.Context(), "db", "", nil)
		if err == nil {
			assert.Equal(t, "a secret", *response.Value)
		}
		return err
	}
}

func serveGroup(w http.ResponseWriter, _ *http.Request) {
	reply(w, map[string]string{"name": "shop", "location": "westeurope"})
}

func dialARM(t *testing.T, r *rig, cred azcore.TokenCredential, policies ...policy.Policy) func() error {
	t.Helper()
	return dialGroups(t, cred, &armpolicy.ClientOptions{ClientOptions: r.sdk(policies...)})
}

func dialGroups(t *testing.T, cred azcore.TokenCredential, options *armpolicy.ClientOptions) func() error {
	t.Helper()
	client, err := armresources.NewResourceGroupsClient("00000000-1111-4222-8333-444444444444", cred, options)
	require.NoError(t, err)
	return func() error {
		response, err := client.Get(t.Context(), "shop", nil)
		if err == nil {
			assert.Equal(t, "westeurope", *response.Location)
		}
		return err
	}
}

// serveItem serves the account's document, which the client requests first, and an item.
func serveItem(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" && r.URL.Path != "" {
		reply(w, map[string]string{"id": "1", "status": "paid"})
		return
	}
	here := []map[string]string{{"name": "West Europe", "databaseAccountEndpoint": "https://" + cosmosHost + ":443/"}}
	reply(w, map[string]any{"id": "shop", "writableLocations": here, "readableLocations": here})
}

func dialCosmos(t *testing.T, r *rig, cred azcore.TokenCredential, policies ...policy.Policy) func() error {
	t.Helper()
	client, err := azcosmos.NewClient("https://"+cosmosHost, cred, &azcosmos.ClientOptions{ClientOptions: r.sdk(policies...)})
	require.NoError(t, err)
	container, err := client.NewContainer("shop", "orders")
	require.NoError(t, err)
	return func() error {
		response, err := container.ReadItem(t.Context(), azcosmos.NewPartitionKeyString("1"), "1", nil)
		if err == nil {
			assert.JSONEq(t, `{"id":"1","status":"paid"}`, string(response.Value))
		}
		return err
	}
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
