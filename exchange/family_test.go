package exchange_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

// grants maps each grant to the fields that select it and to the parameters that it adds to a
// client credentials request.
var grants = map[string]struct {
	of   func(*exchange.Request)
	more url.Values
}{
	"for an agent": {
		func(r *exchange.Request) { r.FMIPath = "agent" },
		url.Values{"fmi_path": {"agent"}},
	},
	"on behalf of a user": {
		func(r *exchange.Request) { r.UserAssertion = "user.token" },
		url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {"user.token"}, "requested_token_use": {"on_behalf_of"},
		},
	},
	"an agent's user account": {
		func(r *exchange.Request) { r.Username, r.UserFederatedCredential = "agent@contoso.com", "second.token" },
		url.Values{
			"grant_type": {"user_fic"}, "username": {"agent@contoso.com"}, "user_federated_identity_credential": {"second.token"},
			"requested_token_use": {"on_behalf_of"},
		},
	},
}

func TestRequestsOfEachGrant(t *testing.T) {
	for name, grant := range grants {
		t.Run(name, func(t *testing.T) {
			var sent url.Values
			c := newClient(t, once(doFunc(func(r *http.Request) (*http.Response, error) {
				var err error
				sent, err = url.ParseQuery(body(t, r))
				require.NoError(t, err)
				return reply(200, "application/json", success), nil
			})))
			r := request()
			grant.of(&r)
			_, err := c.Exchange(t.Context(), r)
			require.NoError(t, err)
			want := url.Values{
				"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {scope}, "client_assertion": {assertion},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			}
			maps.Copy(want, grant.more)
			assert.Equal(t, want, sent)
			assert.Equal(t, want.Get("grant_type"), r.Grant())
		})
	}
}

func TestConflictingGrantsAreRefused(t *testing.T) {
	for words, spoil := range map[string]func(*exchange.Request){
		"fields Username and UserFederatedCredential: set both": func(r *exchange.Request) { r.Username = "x" },
		"UserFederatedCredential: set both or neither":          func(r *exchange.Request) { r.UserFederatedCredential = "x" },
		"fields Username and UserAssertion: set one": func(r *exchange.Request) {
			r.Username, r.UserFederatedCredential, r.UserAssertion = "x", "y", "z"
		},
	} {
		r := request()
		spoil(&r)
		assert.Contains(t, unsent(t, r), words)
	}
}

// The tokens of users and agents are as secret as the assertion, in echoed replies and in printed
// requests.
func TestEveryAssertionIsASecret(t *testing.T) {
	for name, give := range map[string]func(*exchange.Request, string){
		"UserAssertion":           func(r *exchange.Request, s string) { r.UserAssertion = s },
		"UserFederatedCredential": func(r *exchange.Request, s string) { r.Username, r.UserFederatedCredential = "x", s },
	} {
		t.Run(name, func(t *testing.T) {
			// Opaque: only its field shows that it is a secret.
			secret := strings.Repeat("Qk9vT1", 50)
			r := request()
			give(&r, secret)
			text, err := json.Marshal(map[string]string{"error": "invalid_grant", "error_description": "You sent " + secret[3:20], "claims": secret})
			require.NoError(t, err)
			_, err = newClient(t, once(always(400, "application/json", string(text)))).Exchange(t.Context(), r)
			require.ErrorContains(t, err, "invalid_grant")
			marshaled, err2 := json.Marshal(r)
			require.NoError(t, err2)
			for _, shown := range []string{
				fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), fmt.Sprintf("%+v", r), fmt.Sprintf("%#v", r), string(marshaled), slog.AnyValue(r).String(),
			} {
				for i := 0; i+8 <= 20; i++ {
					assert.NotContains(t, shown, secret[i:i+8])
				}
			}
		})
	}
}
