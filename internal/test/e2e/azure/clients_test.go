package azure_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each client sends a token that its service verifies. One exchange is enough for all of its calls.
func TestClients(t *testing.T) {
	for _, s := range services {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t)
			guarded := s.guard(t, r)
			call := s.dial(t, r, r.credential(t))

			for range 3 {
				require.NoError(t, call())
			}

			exchanges := r.exchanges()
			require.Len(t, exchanges, 1)
			assert.Equal(t, s.audience+"/.default", exchanges[0].Scope)
			claims := guarded.last().claims
			assert.Equal(t, tenantID, claims.TenantID)
			assert.Equal(t, []string{s.audience}, []string(claims.Audience))
		})
	}
}

// Every client except Cosmos DB's declares that it can answer claims challenges. The token passes
// that on to the service.
func TestClientsDeclareContinuousAccessEvaluation(t *testing.T) {
	for _, s := range services {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t)
			guarded := s.guard(t, r)
			require.NoError(t, s.dial(t, r, r.credential(t))())

			capabilities := guarded.last().claims.Capabilities
			if s.name == cosmos.name {
				assert.Empty(t, capabilities)
			} else {
				assert.Equal(t, []string{"CP1"}, capabilities)
			}
		})
	}
}

// Services must refuse tokens for other services, or the tests above would prove nothing.
func TestServicesRefuseAnotherAudience(t *testing.T) {
	for _, s := range services {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t)
			guarded := s.guard(t, r)
			guarded.audience = "https://another.example"

			err := s.dial(t, r, r.credential(t))()

			require.Error(t, err)
			for _, seen := range guarded.decisions() {
				assert.Equal(t, http.StatusUnauthorized, seen.status)
			}
			assert.Contains(t, guarded.last().why, "audience")
		})
	}
}

// The whole program has one credential. Two concurrent clients of each service cause one exchange
// per service.
func TestOneCredentialSharedByAll(t *testing.T) {
	r := newRig(t)
	cred := r.credential(t)
	var calls []func() error
	guarded := map[string]*resource{}
	for _, s := range services {
		guarded[s.name] = s.guard(t, r)
		calls = append(calls, s.dial(t, r, cred), s.dial(t, r, cred))
	}

	var wg sync.WaitGroup
	for _, call := range calls {
		for range 5 {
			wg.Go(func() { assert.NoError(t, call()) })
		}
	}
	wg.Wait()

	var scopes []string
	for _, exchange := range r.exchanges() {
		scopes = append(scopes, exchange.Scope)
	}
	assert.ElementsMatch(t, []string{
		storageAudience + "/.default", vaultAudience + "/.default", armAudience + "/.default", cosmosAudience + "/.default",
	}, scopes)
	for name, g := range guarded {
		for _, seen := range g.decisions() {
			assert.True(t, seen.token == "" || seen.token == g.last().token, "%s got two tokens", name)
		}
	}
}

// Clients return Entra ID's error without retrying. They send no request without a token.
func TestRefusalComesThroughTheClients(t *testing.T) {
	for _, s := range services {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t)
			guarded := s.guard(t, r)
			r.options.PropagationTimeout = -1
			require.NoError(t, r.Entra.SetDisabled(tenantID, clientID, true))

			err := s.dial(t, r, r.credential(t))()

			require.ErrorContains(t, err, "AADSTS7000112")
			var response *azcore.ResponseError
			assert.False(t, errors.As(err, &response), "the error is not the service's")
			for _, seen := range guarded.decisions() {
				assert.Equal(t, vault.name, s.name, "only Key Vault's client first sends a request without a token")
				assert.Empty(t, seen.token)
			}
			assert.Len(t, r.exchanges(), 1)
		})
	}
}
