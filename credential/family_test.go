package credential_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	agentID       = "aaaaaaaa-1111-4222-8333-444444444444"
	otherAgentID  = "bbbbbbbb-1111-4222-8333-444444444444"
	agentUser     = "agent@contoso.example"
	exchangeScope = "api://AzureADTokenExchange/.default"
	graph         = "https://graph.microsoft.com/.default"
	graphScope    = "https://graph.microsoft.com/User.Read"
	jwtBearer     = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// newFamilyRig is a rig whose identity is the blueprint of two agents; the first has a user
// account. It is for use inside a bubble.
func newFamilyRig(t *testing.T) *rig {
	r := newBareRig(t)
	for id, user := range map[string]string{agentID: agentUser, otherAgentID: ""} {
		require.NoError(t, r.Entra.AddAgent(entratest.Agent{TenantID: tenantID, BlueprintID: clientID, ClientID: id, Username: user}))
	}
	return r
}

func agentOf(t *testing.T, c *credential.Credential, id string) *credential.Credential {
	t.Helper()
	agent, err := c.Agent(id)
	require.NoError(t, err)
	return agent
}

func onBehalfOf(t *testing.T, c *credential.Credential, token string) *credential.Credential {
	t.Helper()
	user, err := c.OnBehalfOf(token)
	require.NoError(t, err)
	return user
}

func asUser(t *testing.T, agent *credential.Credential) *credential.Credential {
	t.Helper()
	user, err := agent.AsUser(agentUser)
	require.NoError(t, err)
	return user
}

func (r *rig) userToken(t *testing.T, username string) string {
	t.Helper()
	token, err := r.Entra.IssueUserToken(entratest.UserToken{TenantID: tenantID, Audience: clientID, Username: username})
	require.NoError(t, err)
	return token
}

// sent returns the forms of the exchanges, without the tokens that they present.
func (r *rig) sent() (all []map[string]string) {
	for _, request := range r.Entra.Requests() {
		form := map[string]string{}
		for name, values := range request.Form {
			form[name] = strings.Join(values, " ")
		}
		for _, name := range []string{"client_assertion", "assertion", "user_federated_identity_credential"} {
			if form[name] != "" {
				form[name] = "…"
			}
		}
		all = append(all, form)
	}
	return all
}

// form returns a client credentials request with changes.
func form(client, scope string, more ...string) map[string]string {
	f := map[string]string{
		"client_id": client, "scope": scope, "grant_type": "client_credentials", "client_assertion": "…",
		"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
	}
	for i := 0; i < len(more); i += 2 {
		f[more[i]] = more[i+1]
	}
	return f
}

// The requests are exactly the documented ones.
func TestRequestsOfTheFamily(t *testing.T) {
	t1 := form(clientID, exchangeScope, "fmi_path", agentID)
	obo := []string{"grant_type", jwtBearer, "assertion", "…", "requested_token_use", "on_behalf_of"}
	for name, x := range map[string]struct {
		of    func(*testing.T, *rig, *credential.Credential) *credential.Credential
		scope string
		sent  []map[string]string
	}{
		"agent": {
			func(t *testing.T, _ *rig, c *credential.Credential) *credential.Credential {
				return agentOf(t, c, agentID)
			},
			vault, []map[string]string{t1, form(agentID, vault)},
		},
		"on behalf of a user": {
			func(t *testing.T, r *rig, c *credential.Credential) *credential.Credential {
				return onBehalfOf(t, c, r.userToken(t, "mia@contoso.example"))
			},
			graphScope, []map[string]string{form(clientID, graphScope, obo...)},
		},
		"agent on behalf of a user": {
			func(t *testing.T, r *rig, c *credential.Credential) *credential.Credential {
				return onBehalfOf(t, agentOf(t, c, agentID), r.userToken(t, "mia@contoso.example"))
			},
			graphScope, []map[string]string{t1, form(agentID, graphScope, obo...)},
		},
		"agent's user account": {
			func(t *testing.T, _ *rig, c *credential.Credential) *credential.Credential {
				return asUser(t, agentOf(t, c, agentID))
			},
			graphScope, []map[string]string{t1, form(agentID, exchangeScope), form(agentID, graphScope,
				"grant_type", "user_fic", "user_federated_identity_credential", "…", "username", agentUser, "requested_token_use", "on_behalf_of")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newFamilyRig(t)
				c := x.of(t, r, r.credential(t))
				token := get(t, c, scope(x.scope))
				require.Equal(t, x.sent, r.sent())
				_, err := r.Entra.VerifyToken(token.Token, "")
				require.NoError(t, err)
				require.Equal(t, token, get(t, c, scope(x.scope)), "cached")
				require.Len(t, r.Entra.Requests(), len(x.sent))
			})
		})
	}
}

// N agents with M scopes each cost N + N·M exchanges. A refresh reuses the blueprint's token while
// that is valid.
func TestAgentsShareTheBlueprintsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		c := r.credential(t)
		scopes := []string{vault, storage, graph}
		for range 2 {
			for _, id := range []string{agentID, otherAgentID} {
				for _, s := range scopes {
					get(t, agentOf(t, c, id), scope(s))
				}
			}
		}
		require.Len(t, r.Entra.Requests(), 2+2*3)

		r.Entra.ForgetRequests()
		time.Sleep(50 * time.Minute) // past every RefreshOn
		get(t, agentOf(t, c, agentID), scope(vault))
		synctest.Wait()
		require.Equal(t, []map[string]string{form(agentID, vault)}, r.sent())
	})
}

func TestManyCallersOfAColdAgentCauseTwoRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		r.Entra.SetDelay(time.Second)
		c := r.credential(t)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { get(t, agentOf(t, c, agentID), scope(vault)) })
		}
		wg.Wait()
		require.Len(t, r.Entra.Requests(), 2)
	})
}

// The error names the step that failed and the token it presented.
func TestErrorNamesTheStepThatFailed(t *testing.T) {
	for name, x := range map[string]struct {
		spoil       func(*testing.T, *rig)
		says, never []string
		cause       string
	}{
		"the blueprint is refused": {
			func(t *testing.T, r *rig) { require.NoError(t, r.Entra.Revoke(r.Trusted)) },
			[]string{`agent "` + agentID + `": failed at the blueprint's token for the agent: likely cause: `, "AADSTS70025", "presented: issuer "},
			nil, "the identity has no federated credential",
		},
		"the agent is refused": {
			func(t *testing.T, r *rig) { r.Entra.Enqueue(entratest.Reply{}, entratest.Refuse(700213)) },
			[]string{"AADSTS700213", "presented: the blueprint's token for the agent (audience "},
			[]string{"failed at", "likely cause", "presented: issuer"}, "",
		},
		"the agent's scope is refused": {
			func(t *testing.T, r *rig) { r.Entra.Enqueue(entratest.Reply{}, entratest.Refuse(500011)) },
			[]string{"AADSTS500011", "likely cause: tenant"}, []string{"failed at"}, "has no resource for the scope",
		},
		"the endpoint is down": {
			func(t *testing.T, r *rig) {
				r.options.Retry.MaxRetries = -1
				r.Entra.SetReply(&entratest.Reply{Err: errors.New("no route")})
			},
			[]string{`agent "` + agentID + `": failed at the blueprint's token for the agent: exchange: POST `, "no route"}, nil, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newFamilyRig(t)
				r.options.PropagationTimeout = -1
				x.spoil(t, r)
				_, err := agentOf(t, r.credential(t), agentID).GetToken(t.Context(), scope(vault))
				for _, words := range x.says {
					require.ErrorContains(t, err, words)
				}
				for _, words := range x.never {
					require.NotContains(t, err.Error(), words)
				}
				require.Contains(t, errorOf(t, err).Cause(), x.cause)
				require.NotContains(t, err.Error(), "\n")
				require.Less(t, len(err.Error()), 4096)
			})
		})
	}
}

// A blueprint's token that Entra ID refuses as stale is replaced, once.
func TestStaleTokenOfAnEarlierStepIsReplacedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		agent := agentOf(t, r.credential(t), agentID)
		get(t, agent, scope(vault))

		r.Entra.ForgetRequests()
		r.Entra.Enqueue(entratest.Refuse(700024))
		get(t, agent, scope(storage))
		require.Equal(t, []map[string]string{form(agentID, storage), form(clientID, exchangeScope, "fmi_path", agentID), form(agentID, storage)}, r.sent())

		r.Entra.ForgetRequests()
		r.refusals(700024) // from now on, for every token
		_, err := agent.GetToken(t.Context(), scope(graph))
		require.ErrorContains(t, err, "AADSTS700024")
	})
}

func TestPropagationOfTheBlueprintsCredentialIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		r.Entra.Enqueue(entratest.Refuse(700211), entratest.Refuse(700211))
		get(t, agentOf(t, r.credential(t), agentID), scope(vault))
		require.Len(t, r.Entra.Requests(), 4)
	})
}

// An agent's outage does not affect the tokens of its blueprint or of other agents.
func TestAgentsFailAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		c := r.credential(t)
		get(t, agentOf(t, c, agentID), scope(vault))
		require.NoError(t, r.Entra.SetDisabled(tenantID, otherAgentID, true))
		_, err := agentOf(t, c, otherAgentID).GetToken(t.Context(), scope(vault))
		require.Error(t, err)
		get(t, agentOf(t, c, agentID), scope(storage))
		get(t, c, scope(vault))
	})
}

// Answering a challenge reuses the blueprint's token.
func TestChallengeOfAnAgentsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		agent := agentOf(t, r.credential(t), agentID)
		old := get(t, agent, scope(vault))
		r.Entra.ForgetRequests()
		answer := get(t, agent, policy.TokenRequestOptions{Scopes: []string{vault}, Claims: `{"access_token":{"nbf":{"essential":true}}}`})
		require.NotEqual(t, old.Token, answer.Token)
		require.Len(t, r.Entra.Requests(), 1)
	})
}

// Only their tokens distinguish users.
func TestUsersHaveTheirOwnTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		c := r.credential(t)
		mia, zoe := r.userToken(t, "mia@contoso.example"), r.userToken(t, "zoe@contoso.example")
		first := get(t, onBehalfOf(t, c, mia), scope(graphScope))
		require.Equal(t, first, get(t, onBehalfOf(t, c, mia), scope(graphScope)))
		require.Equal(t, first, get(t, onBehalfOf(t, c, " "+mia+"\n"), scope(graphScope)), "white space around it is ignored")
		require.NotEqual(t, first.Token, get(t, onBehalfOf(t, c, zoe), scope(graphScope)).Token)
		require.NotEqual(t, first.Token, get(t, onBehalfOf(t, c, r.userToken(t, "mia@contoso.example")), scope(graphScope)).Token, "another token of the same user")
		require.NotEqual(t, first.Token, get(t, c, scope(graph)).Token)
		claims, err := r.Entra.VerifyToken(first.Token, "")
		require.NoError(t, err)
		require.Equal(t, "mia@contoso.example", claims["upn"])
	})
}

func TestRefusalsOfUsers(t *testing.T) {
	issue := func(u entratest.UserToken) func(*testing.T, *rig) string {
		return func(t *testing.T, r *rig) string {
			u.TenantID = tenantID
			token, err := r.Entra.IssueUserToken(u)
			require.NoError(t, err)
			return token
		}
	}
	for name, x := range map[string]struct {
		token func(*testing.T, *rig) string
		code  string
	}{
		"another application's": {issue(entratest.UserToken{Audience: "another"}), "AADSTS500131"},
		"expired":               {issue(entratest.UserToken{Audience: clientID, Lifetime: -10 * time.Minute}), "AADSTS500133"},
		"an application's": {func(t *testing.T, r *rig) string {
			return get(t, r.credential(t), scope(clientID+"/.default")).Token
		}, "AADSTS"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newFamilyRig(t)
				r.Entra.AllowResource(clientID, "https://graph.microsoft.com")
				user := x.token(t, r)
				_, err := onBehalfOf(t, r.credential(t), user).GetToken(t.Context(), scope(graphScope))
				require.ErrorContains(t, err, x.code)
				require.ErrorContains(t, err, ", on behalf of a user: ")
				require.ErrorContains(t, err, "; the user's token (audience ")
				noPieceOf(t, user, err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err))
			})
		})
	}
}

// The Claims for the user's client reach the caller unchanged.
func TestInteractionRequiredReachesTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const claims = `{"access_token":{"capolids":{"essential":true,"values":["c5e6a1e2"]}}}`
		r := newFamilyRig(t)
		r.Entra.Enqueue(entratest.Reply{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: fmt.Sprintf(
			`{"error":"interaction_required","error_codes":[50076],"error_description":"AADSTS50076: x","suberror":"basic_action","claims":%q}`, claims)})
		user := onBehalfOf(t, r.credential(t), r.userToken(t, "mia@contoso.example"))
		for range 2 { // the second error is the remembered one
			_, err := user.GetToken(t.Context(), scope(graphScope))
			refusal, ok := errors.AsType[*exchange.Error](err)
			require.True(t, ok)
			require.Equal(t, "interaction_required", refusal.Code)
			require.Equal(t, claims, refusal.Claims)
			require.Contains(t, errorOf(t, err).Cause(), "multi-factor authentication")
		}
	})
}

// Only tokens from the last hour stay in memory: each exchange that lands drops expired ones.
func TestExpiredTokensOfUsersAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 100
		r := newFamilyRig(t)
		r.Entra.SetReply(&entratest.Reply{Status: 200, Header: http.Header{"Content-Type": {"application/json"}},
			Body: `{"token_type":"Bearer","expires_in":3600,"access_token":"opaque"}`})
		p, err := credential.NewPool(&credential.PoolOptions{
			ClientOptions: r.options.ClientOptions,
			Assertion:     func(context.Context, credential.Identity) (string, error) { return r.Projection.Token(), nil },
		})
		require.NoError(t, err)
		c, err := p.For(credential.Identity{TenantID: tenantID, ClientID: clientID, Subject: r.Trusted.Subject})
		require.NoError(t, err)
		for hour := range 5 {
			for i := range users {
				get(t, onBehalfOf(t, c, fmt.Sprintf("user-%d-%d", hour, i)), scope(graphScope))
				require.NoError(t, r.Projection.Rotate())
			}
			require.LessOrEqual(t, len(p.Status()), 2*users)
			time.Sleep(61 * time.Minute)
		}
	})
}

// A user's token is kept no longer than the credentials for it.
func TestUsersTokenIsNotKept(t *testing.T) {
	const users, length = 64, 1 << 20
	c := newRig(t).credential(t)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // weak pointers and what they led to
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range users {
		onBehalfOf(t, c, fmt.Sprint(i)+strings.Repeat("a", length))
	}
	require.Less(t, heap(), before+users*length/4)
	runtime.KeepAlive(c)
}

func TestCredentialsThatCannotBeDerived(t *testing.T) {
	r := newRig(t)
	c := r.credential(t)
	agent, user := agentOf(t, c, agentID), onBehalfOf(t, c, "token")
	for words, derive := range map[string]func() (*credential.Credential, error){
		"the agent's client ID is empty":                               func() (*credential.Credential, error) { return c.Agent(" ") },
		"the agent's client ID is an ARM resource ID":                  func() (*credential.Credential, error) { return c.Agent("/subscriptions/x") },
		"Agent needs the credential of a blueprint":                    func() (*credential.Credential, error) { return agent.Agent(otherAgentID) },
		"the user's token is empty":                                    func() (*credential.Credential, error) { return c.OnBehalfOf(" ") },
		`pass what follows "Bearer "`:                                  func() (*credential.Credential, error) { return c.OnBehalfOf("Bearer abc") },
		"this one already acts for a user":                             func() (*credential.Credential, error) { return user.OnBehalfOf("another") },
		"AsUser needs the credential of an agent: ":                    func() (*credential.Credential, error) { return c.AsUser(agentUser) },
		"the user account's name is empty":                             func() (*credential.Credential, error) { return agent.AsUser("") },
		"credential of an agent, but this one already acts for a user": func() (*credential.Credential, error) { return onBehalfOf(t, agent, "x").AsUser(agentUser) },
	} {
		_, err := derive()
		require.ErrorContains(t, err, words)
		require.NotContains(t, err.Error(), "\n")
	}
}

// A managed identity's token for token exchange is another credential's federated token.
func TestCredentialAsAnothersSource(t *testing.T) {
	const other, app = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee", "33333333-2222-4333-8444-555555555555"
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		inner := r.credential(t)
		assertion, err := inner.Assertion(t.Context())
		require.NoError(t, err)
		require.Equal(t, exchangeScope, r.Entra.Requests()[0].Scope)
		claims, err := r.Entra.VerifyToken(assertion, "")
		require.NoError(t, err)
		require.NoError(t, r.Entra.Trust(entratest.FederatedCredential{
			TenantID: other, ClientID: app, Issuer: claims["iss"].(string), Subject: claims["sub"].(string), Audiences: []string{"api://AzureADTokenExchange"},
		}))
		options := &credential.Options{ClientID: app, TenantID: other, Assertion: inner.Assertion}
		options.Transport = r.Entra
		outer, err := credential.New(options)
		require.NoError(t, err)
		get(t, outer, scope(vault))
		get(t, outer, scope(storage))
		require.Len(t, r.Entra.Requests(), 3, "the inner token is cached")

		r.Entra.Enqueue(entratest.Refuse(700024)) // stale
		get(t, outer, scope(graph))
		require.Len(t, r.Entra.Requests(), 6, "refused, the inner token replaced, and accepted")

		require.NoError(t, r.Entra.Revoke(r.Trusted))
		inner.Invalidate(must(inner.Assertion(t.Context())))
		_, err = outer.GetToken(t.Context(), scope("https://management.azure.com/.default"))
		require.ErrorContains(t, err, app)
		require.ErrorContains(t, err, `failed at its assertion, a token for scope "`+exchangeScope+`", client ID "`+clientID)
		require.Contains(t, errorOf(t, err).Fix(), r.Trusted.Subject, "the inner refusal keeps its hint")
	})
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

func TestAssertionAsksForTheScopeOfItsCloud(t *testing.T) {
	for authority, scope := range map[string]string{
		"https://login.microsoftonline.com":         exchangeScope,
		"https://login.microsoftonline.us":          "api://AzureADTokenExchangeUSGov/.default",
		"https://login.partner.microsoftonline.cn/": "api://AzureADTokenExchangeChina/.default",
		"https://login.private.example":             exchangeScope,
	} {
		r := newRig(t)
		t.Setenv("AZURE_AUTHORITY_HOST", authority)
		r.Entra.SetReply(new(entratest.Refuse(700016)))
		_, err := r.credential(t).Assertion(t.Context())
		require.Error(t, err)
		require.Equal(t, scope, r.Entra.Requests()[0].Scope)
	}
}

// Status, events and spans name the identity and the grant, but not the user.
func TestFamilyInStatusEventsAndSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		events, log := r.listen()
		spans := r.traced()
		c := r.credential(t)
		user := r.userToken(t, "mia@contoso.example")
		agent := agentOf(t, c, agentID)
		mias := onBehalfOf(t, agent, user)
		get(t, mias, scope(graphScope))
		synctest.Wait()
		get(t, asUser(t, agent), scope(graphScope))
		get(t, c, scope(vault))
		synctest.Wait()

		first := (*events)[:2] // reported in any order
		slices.SortFunc(first, func(a, b credential.ExchangeEvent) int { return strings.Compare(b.FMIPath, a.FMIPath) })
		require.Equal(t, []string{clientID, agentID, "", "client_credentials"}, []string{first[0].ClientID, first[0].FMIPath, first[0].Agent, first[0].Grant})
		require.Equal(t, []string{clientID, "", agentID, jwtBearer}, []string{first[1].ClientID, first[1].FMIPath, first[1].Agent, first[1].Grant})
		require.False(t, first[0].User)
		require.True(t, first[1].User)

		require.Len(t, c.Status(), 1, "its own")
		require.Len(t, agent.Status(), 2, "the blueprint's token for it, and its token for its user account")
		own := mias.Status()
		require.Len(t, own, 2)
		require.True(t, own[0].User)
		require.Equal(t, agentID, own[0].Agent)
		require.Equal(t, jwtBearer, own[0].Grant)
		require.Equal(t, agentID, own[1].FMIPath)
		require.Equal(t, agentID, mias.ClientID())
		require.Equal(t, clientID, c.ClientID())
		require.Equal(t, fmt.Sprintf(`credential for a user of agent %q of client ID %q in tenant %q`, agentID, clientID, tenantID), fmt.Sprint(mias))

		require.Equal(t, jwtBearer, spans.named("entrafed.Exchange")[1].attributes["entrafed.grant_type"])
		require.Equal(t, agentID, spans.named("entrafed.Exchange")[0].attributes["entrafed.fmi_path"])
		for _, text := range []string{log.String(), spans.text(), fmt.Sprint(*events), fmt.Sprint(c.Status())} {
			require.NotContains(t, text, "mia@contoso")
		}
		noPieceOf(t, user, log.String(), spans.text(), fmt.Sprintf("%#v", mias), fmt.Sprintf("%+v", *mias))
	})
}

// noPieceOf searches texts for a token.
func noPieceOf(t *testing.T, token string, texts ...string) {
	t.Helper()
	for i := 0; i+12 <= len(token); i += 4 {
		for _, text := range texts {
			require.False(t, strings.Contains(text, token[i:i+12]), "a piece of a token")
		}
	}
}

func TestForgetDropsDerivedCredentialsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		p, err := credential.NewPool(&credential.PoolOptions{
			ClientOptions: r.options.ClientOptions,
			Assertion:     func(context.Context, credential.Identity) (string, error) { return r.Projection.Token(), nil },
		})
		require.NoError(t, err)
		id := credential.Identity{TenantID: tenantID, ClientID: clientID, Subject: r.Trusted.Subject}
		c, err := p.For(id)
		require.NoError(t, err)
		get(t, agentOf(t, c, agentID), scope(vault))
		get(t, onBehalfOf(t, c, r.userToken(t, "")), scope(graphScope))
		require.Len(t, p.Status(), 3)
		p.Forget(id)
		require.Empty(t, p.Status())
	})
}

// The blueprint's refusal is retried only while somebody waits for the agent's token.
func TestRetriesOfTheBlueprintEndWhenTheAgentsCallersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		r.Entra.SetReply(new(entratest.Refuse(700213))) // passes once a federated credential has propagated
		agent := agentOf(t, r.credential(t), agentID)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		_, err := agent.GetToken(ctx, scope(vault))
		require.ErrorContains(t, err, "AADSTS700213")
		sent := len(r.Entra.Requests())
		require.Greater(t, sent, 1, "it was retried")
		time.Sleep(time.Minute)
		require.Len(t, r.Entra.Requests(), sent)
	})
}

// A malformed user token is the user's fault. It must not cost the agent's other callers the
// blueprint's token.
func TestUsersBadTokenLeavesTheBlueprintsTokenAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		agent := agentOf(t, r.credential(t), agentID)
		get(t, agent, scope(vault))
		r.Entra.ForgetRequests()
		_, err := onBehalfOf(t, agent, "garbage").GetToken(t.Context(), scope(graphScope))
		require.ErrorContains(t, err, "AADSTS50027")
		require.ErrorContains(t, err, "likely cause: the user's token is not a JSON Web Token")
		get(t, agent, scope(graph))
		require.Len(t, r.Entra.Requests(), 2, "one refused, one for the agent; none for the blueprint")
		_, err = onBehalfOf(t, r.credential(t), "garbage").GetToken(t.Context(), scope(graphScope))
		require.ErrorContains(t, err, "likely cause: the user's token is not a JSON Web Token")
	})
}

// If the user's token is readable, the federated token may be the malformed one.
func TestReadableUserTokenIsNotBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		r.refusals(50027)
		c := onBehalfOf(t, r.credential(t), r.userToken(t, "ann@contoso.example"))
		r.Entra.SetDelay(time.Second)
		time.AfterFunc(time.Millisecond, func() { _ = r.Projection.Rotate() }) // while the first request is on its way
		_, err := c.GetToken(t.Context(), scope(graphScope))
		require.ErrorContains(t, err, "likely cause: the federated token is malformed")
		require.Len(t, r.Entra.Requests(), 2, "the file was read again")
	})
}

// The steps of an agent share the flight's time, which covers a long PropagationTimeout.
func TestLongPropagationOfABlueprint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		r.options.PropagationTimeout = 5 * time.Minute
		r.refusals(700213)
		time.AfterFunc(time.Minute, func() { r.Entra.SetReply(nil) })
		get(t, agentOf(t, r.credential(t), agentID), scope(vault))
	})
}

// A pause that Entra ID asked of the blueprint ends for the agent when it ends for the blueprint.
func TestPauseOfABlueprintCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		_, log := r.listen()
		r.Entra.Enqueue(entratest.Throttle(10 * time.Minute)) // with jitter, at most 12 minutes
		agent := agentOf(t, r.credential(t), agentID)
		_, err := agent.GetToken(t.Context(), scope(vault))
		require.ErrorContains(t, err, "429")
		synctest.Wait()
		require.Equal(t, []string{"WARN entrafed: throttled", "WARN entrafed: throttled"}, lines(t, log), "the blueprint's exchange and the agent's")
		time.Sleep(9 * time.Minute)
		_, err = agent.GetToken(t.Context(), scope(storage))
		require.ErrorContains(t, err, "asked to wait")
		time.Sleep(4 * time.Minute) // longer than any back-off, too
		get(t, agent, scope(storage))
	})
}

func TestPrefetchOfAnAgentIsInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFamilyRig(t)
		events, log := r.listen()
		r.refusals(700016)
		require.NoError(t, agentOf(t, r.credential(t), agentID).Prefetch(scope(vault)))
		synctest.Wait()
		require.Len(t, *events, 2, "the blueprint's and the agent's")
		for _, event := range *events {
			require.True(t, event.Background)
		}
		for _, line := range lines(t, log) {
			require.Contains(t, line, "WARN")
		}
	})
}

func TestSummaryOfAnAgentIsStable(t *testing.T) {
	for name, reply := range map[string]entratest.Reply{
		"no route": {Err: &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 443}, Err: syscall.EHOSTUNREACH}},
		"down":     entratest.Unavailable(0),
		"refused":  entratest.Refuse(700213),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newFamilyRig(t)
				r.options.PropagationTimeout = -1
				r.Entra.SetReply(&reply)
				agent := agentOf(t, r.credential(t), agentID)
				summaries := map[string]bool{}
				for i := range 60 { // other scopes' attempts change when the blueprint's next one is
					_, _ = agent.GetToken(t.Context(), scope([]string{storage, graph}[i%2]))
					_, err := agent.GetToken(t.Context(), scope(vault))
					summaries[errorOf(t, err).Summary()] = true
					time.Sleep(time.Second)
				}
				require.Len(t, summaries, 1)
			})
		})
	}
}
