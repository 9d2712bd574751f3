package diagnose_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/setups"
)

const agentID = "a0000000-0000-4000-8000-00000000000a"

// With an agent, each of its exchanges is a link, and the report names the broken one.
func TestAgentAddsItsExchangesAsLinks(t *testing.T) {
	ok, failed, skipped := diagnose.Fine, diagnose.Failure, diagnose.NotReached
	for name, row := range map[string]struct {
		spoil func(*testing.T, *setups.Pod)
		marks [4]diagnose.Mark // federated credential, blueprint's token, agent's token, access token
		words string
	}{
		"everything works": {func(*testing.T, *setups.Pod) {}, [4]diagnose.Mark{ok, ok, ok, ok}, ""},
		"no federated credential": {func(_ *testing.T, p *setups.Pod) { p.Entra.Revoke(p.Trusted) },
			[4]diagnose.Mark{failed, skipped, skipped, skipped}, "federated credential"},
		"the agent belongs to another blueprint": {func(t *testing.T, p *setups.Pod) {
			require.NoError(t, p.Entra.AddAgent(entratest.Agent{TenantID: p.TenantID, BlueprintID: "another", ClientID: agentID + "b"}))
			p.Agent = agentID + "b"
		}, [4]diagnose.Mark{ok, ok, failed, skipped}, "AADSTS7002137"},
		"the blueprint's exchange is refused": {func(_ *testing.T, p *setups.Pod) { p.Entra.Enqueue(entratest.Refuse(4242424)) },
			[4]diagnose.Mark{skipped, failed, skipped, skipped}, "4242424"},
		"the agent's exchange is refused": {func(_ *testing.T, p *setups.Pod) {
			p.Entra.Enqueue(entratest.Reply{Delay: 1}, entratest.Refuse(4242424))
		}, [4]diagnose.Mark{ok, ok, failed, skipped}, "4242424"},
		"Entra ID is overloaded for the agent": {func(_ *testing.T, p *setups.Pod) {
			overloaded := entratest.Refuse(90055)
			overloaded.Status = 400
			p.Entra.Enqueue(entratest.Reply{Delay: 1}, overloaded)
		}, [4]diagnose.Mark{ok, ok, failed, skipped}, "too many requests"},
		"the scope is unknown": {func(_ *testing.T, p *setups.Pod) { p.Scope = "https://vault.azure.example/.default" },
			[4]diagnose.Mark{ok, ok, skipped, failed}, "scope"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			require.NoError(t, p.AddAgent(agentID))
			row.spoil(t, p)
			r := run(t, p)
			var marks [4]diagnose.Mark
			for i, name := range []diagnose.LinkName{diagnose.FederatedCredential, diagnose.BlueprintToken, diagnose.AgentToken, diagnose.AccessToken} {
				l := link(t, r, name)
				marks[i] = l.Mark
				if l.Mark == failed {
					require.Contains(t, l.Findings[0].Problem, row.words)
				}
			}
			require.Equal(t, row.marks, marks, r)
		})
	}
}

func TestAgentIDIsChecked(t *testing.T) {
	p := newPod(t)
	p.Agent = "/subscriptions/x/resourceGroups/y"
	requireVerdict(t, run(t, p), diagnose.Misconfigured, diagnose.Environment, "the agent's client ID is an ARM resource ID")
}

// A deadline that ends the wait for the blueprint's token says nothing about what Entra ID accepts.
func TestDeadlineAtTheBlueprintMeansNothingWasAccepted(t *testing.T) {
	for name, replies := range map[string][]entratest.Reply{
		"hangs":              {{Hang: true}},
		"503, then it hangs": {entratest.Unavailable(0), {Hang: true}},
		"answers too late":   {{Delay: time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newBubblePod(t)
				p.Options.Retry.MaxRetries = 0 // azcore's default
				require.NoError(t, p.AddAgent(agentID))
				p.Entra.Enqueue(replies...)
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				r := diagnose.Run(ctx, &diagnose.Options{Credential: p.Options, Scope: p.Scope, Agent: agentID, HTTPClient: p.HTTPClient})
				require.Equal(t, diagnose.Transient, r.Verdict, r)
				for _, name := range []diagnose.LinkName{diagnose.FederatedCredential, diagnose.BlueprintToken, diagnose.AgentToken} {
					require.NotEqual(t, diagnose.Fine, link(t, r, name).Mark, r)
				}
				if len(replies) > 1 {
					require.Contains(t, fmt.Sprint(r.Faults()), "overloaded")
				}
				time.Sleep(2 * time.Minute) // the exchanges end in the bubble
			})
		})
	}
}
