package credential_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// Inside a bubble the time is the bubble's, and the fake Entra ID needs no network: an outage of an hour takes milliseconds. An
// example function has no *testing.T, so this one is a test.
func TestExampleOfAnOutageInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var entra entratest.Server
		cred, err := credential.New(inPod(&entra))
		require.NoError(t, err)
		vault := policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}
		_, err = cred.GetToken(t.Context(), vault)
		require.NoError(t, err)

		entra.SetReply(new(entratest.Unavailable(0)))
		time.Sleep(59 * time.Minute)
		_, err = cred.GetToken(t.Context(), vault)
		require.NoError(t, err, "the token in memory is still valid")
		time.Sleep(time.Minute)
		_, err = cred.GetToken(t.Context(), vault)
		require.ErrorContains(t, err, "temporarily_unavailable")

		entra.SetReply(nil)
		time.Sleep(time.Minute) // the longest pause between attempts
		_, err = cred.GetToken(t.Context(), vault)
		require.NoError(t, err)
	})
}
