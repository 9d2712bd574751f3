package diagnose_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/broken"
)

func TestMountTellsWhoRenewsTheFile(t *testing.T) {
	p := newPod(t)
	l := link(t, run(t, p), diagnose.TokenFile)
	require.Contains(t, l.Facts, diagnose.Fact{Name: "mount", Value: "a projected volume, as the kubelet makes it"})

	plain := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(plain, []byte(p.Volume.Token()), 0o600))
	p.Options.TokenFilePath = plain
	l = link(t, run(t, p), diagnose.TokenFile)
	require.Contains(t, l.Facts, diagnose.Fact{Name: "mount", Value: "a plain file: not the kubelet's, so something else has to renew it"})
	require.Equal(t, diagnose.Fine, l.Mark, "it is as good as any while it is fresh")
}

// Entra ID takes the token, but in a few minutes it will not.
func TestTokenThatNobodyRenewedIsAWarning(t *testing.T) {
	for age, want := range map[time.Duration]diagnose.Mark{
		49 * time.Minute:             diagnose.Fine, // the kubelet is about to renew it
		54*time.Minute - time.Second: diagnose.Fine,
		54*time.Minute + time.Second: diagnose.Warning,
		63 * time.Minute:             diagnose.Warning, // expired, within what clocks differ by
	} {
		synctest.Test(t, func(t *testing.T) {
			p, err := broken.NewPod(t.TempDir())
			require.NoError(t, err)
			p.Options.ClientID, p.Options.TenantID = p.Env["AZURE_CLIENT_ID"], p.Env["AZURE_TENANT_ID"]
			p.Options.TokenFilePath = p.Volume.Path()
			time.Sleep(age)
			r := run(t, p)
			require.Equal(t, diagnose.OK, r.Verdict, r)
			l := link(t, r, diagnose.TokenFile)
			require.Equal(t, want, l.Mark, age)
			if want == diagnose.Warning {
				require.Contains(t, l.Findings[0].Problem, "nothing has renewed the token")
				require.Contains(t, l.Findings[0].Fix, "virtual nodes")
			}
		})
	}
}

func TestAssertionStandsInForTheFile(t *testing.T) {
	for name, row := range map[string]struct {
		source func(context.Context) (string, error)
		want   string // problem
	}{
		"fails":  {func(context.Context) (string, error) { return "", errors.New("no metadata service") }, "Options.Assertion: no metadata service"},
		"empty":  {func(context.Context) (string, error) { return " \n", nil }, "Options.Assertion: it returned an empty token"},
		"panics": {func(context.Context) (string, error) { panic("oops") }, "Options.Assertion: it panicked: oops"},
		"hangs":  {func(context.Context) (string, error) { select {} }, "Options.Assertion: context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			p.Options.Assertion = row.source
			ctx, cancel := context.WithCancel(t.Context())
			if name == "hangs" {
				cancel()
			}
			defer cancel()
			r := diagnose.Run(ctx, &diagnose.Options{Credential: p.Options, HTTPClient: p.HTTPClient})
			require.Len(t, r.Faults(), 1, r)
			require.Equal(t, diagnose.TokenFile, r.Faults()[0].Name)
			require.Equal(t, row.want, r.Faults()[0].Findings[0].Problem)
		})
	}
	p := newPod(t)
	p.Options.Assertion = func(context.Context) (string, error) {
		return p.Cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders"})
	}
	require.Equal(t, diagnose.OK, run(t, p).Verdict)
}
