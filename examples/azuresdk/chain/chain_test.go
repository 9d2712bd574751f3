package chain_test

import (
	"context"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/azuresdk/chain"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	workloadID  = "11111111-2222-4333-8444-555555555555"
	developerID = "66666666-7777-4888-8999-000000000000"
	tenantID    = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
)

var vault = policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}

// rig holds an Entra ID for both members of the chain, and a cluster that issues their tokens.
type rig struct {
	entra   entratest.Server
	cluster entratest.Cluster
}

// outside clears the environment, as on a developer's machine.
func outside(t *testing.T) *rig {
	t.Helper()
	for _, name := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "AZURE_REGIONAL_AUTHORITY_NAME"} {
		t.Setenv(name, "")
	}
	return &rig{}
}

// inPod sets the environment as the workload identity webhook does.
func inPod(t *testing.T) *rig {
	t.Helper()
	r := outside(t)
	file, err := r.cluster.Project(t.TempDir(), "token", entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders"})
	require.NoError(t, err)
	t.Setenv("AZURE_CLIENT_ID", workloadID)
	t.Setenv("AZURE_TENANT_ID", tenantID)
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", file.Path())
	return r
}

// workload returns entrafed as a member of the chain.
func (r *rig) workload() (azcore.TokenCredential, error) {
	options := credential.Options{PropagationTimeout: -1}
	options.Transport = &r.entra
	return chain.New(&options)
}

// chain returns azidentity's chain: entrafed first, then a credential that always works.
func (r *rig) chain(t *testing.T) *azidentity.ChainedTokenCredential {
	t.Helper()
	workload, err := r.workload()
	require.NoError(t, err)
	options := azidentity.ClientAssertionCredentialOptions{}
	options.Transport = &r.entra
	developer, err := azidentity.NewClientAssertionCredential(tenantID, developerID, func(context.Context) (string, error) {
		return r.cluster.Token(entratest.TokenRequest{})
	}, &options)
	require.NoError(t, err)
	chained, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{workload, developer}, nil)
	require.NoError(t, err)
	return chained
}

// clients returns the clients that requested tokens, in order.
func (r *rig) clients() []string {
	var ids []string
	for _, request := range r.entra.Requests() {
		if request.Kind == entratest.KindToken {
			ids = append(ids, request.ClientID)
		}
	}
	return ids
}

func TestOutsideAPodTheNextMemberSignsIn(t *testing.T) {
	r := outside(t)

	token, err := r.chain(t).GetToken(t.Context(), vault)

	require.NoError(t, err)
	assert.NotEmpty(t, token.Token)
	assert.Equal(t, []string{developerID}, r.clients())
}

func TestInAPodTheWorkloadSignsIn(t *testing.T) {
	r := inPod(t)
	chained := r.chain(t)

	for range 2 {
		token, err := chained.GetToken(t.Context(), vault)
		require.NoError(t, err)
		assert.NotEmpty(t, token.Token)
	}

	assert.Equal(t, []string{workloadID}, r.clients(), "the second token comes from the cache")
}

// After a refusal, the configuration needs a fix. Signing in as another identity would hide that.
func TestARefusalEndsTheChain(t *testing.T) {
	r := inPod(t)
	r.entra.SetReply(new(entratest.Refuse(700016)))

	_, err := r.chain(t).GetToken(t.Context(), vault)

	require.ErrorContains(t, err, "AADSTS700016")
	assert.IsType(t, &azidentity.AuthenticationFailedError{}, err)
	assert.Equal(t, []string{workloadID}, r.clients())
}

func TestErrorOfAChainWithoutUsableMemberSaysWhy(t *testing.T) {
	r := outside(t)
	workload, err := r.workload()
	require.NoError(t, err)
	alone, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{workload}, nil)
	require.NoError(t, err)

	_, err = alone.GetToken(t.Context(), vault)

	require.ErrorContains(t, err, credential.ErrNotConfigured.Error())
	require.ErrorContains(t, err, "AZURE_FEDERATED_TOKEN_FILE")
	assert.Empty(t, r.entra.Requests())
}

func TestIncompleteConfigurationIsAnError(t *testing.T) {
	for _, missing := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"} {
		t.Run(missing, func(t *testing.T) {
			r := inPod(t)
			t.Setenv(missing, "")

			cred, err := r.workload()

			require.ErrorContains(t, err, missing)
			require.NotErrorIs(t, err, credential.ErrNotConfigured)
			assert.Nil(t, cred)
		})
	}
}

func TestNilOptions(t *testing.T) {
	outside(t)

	cred, err := chain.New(nil)

	require.NoError(t, err)
	assert.NotNil(t, cred)
}
