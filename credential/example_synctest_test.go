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

// Inside a synctest bubble time is virtual, and the fake Entra ID needs no network, so an outage of
// an hour takes milliseconds. An example function has no *testing.T, so this one is a test.
func TestExampleOfAnOutageInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pod, err := entratest.NewPod(t.TempDir(), nil)
		require.NoError(t, err)
		options := &credential.Options{ClientID: pod.ClientID, TenantID: pod.TenantID, TokenFilePath: pod.TokenFile}
		options.Transport = pod.Entra
		options.Cloud.ActiveDirectoryAuthorityHost = pod.AuthorityHost
		cred, err := credential.New(options)
		require.NoError(t, err)
		vault := policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}
		_, err = cred.GetToken(t.Context(), vault)
		require.NoError(t, err)

		pod.Entra.SetReply(new(entratest.Unavailable(0)))
		time.Sleep(59 * time.Minute)
		_, err = cred.GetToken(t.Context(), vault)
		require.NoError(t, err, "the token in memory is still valid")
		time.Sleep(time.Minute)
		_, err = cred.GetToken(t.Context(), vault)
		require.ErrorContains(t, err, "temporarily_unavailable")

		pod.Entra.SetReply(nil)
		require.NoError(t, pod.Projection.Rotate()) // as the kubelet has done by now
		time.Sleep(time.Minute)                     // the longest pause between attempts
		_, err = cred.GetToken(t.Context(), vault)
		require.NoError(t, err)
	})
}
