package diagnose_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/webhook"
)

// Since v1.6.0 of the webhook, the kubelet's link ..data is above the file's own directory.
func TestProjectedVolumeIsRecognizedInEveryLayout(t *testing.T) {
	for _, layout := range append(webhook.Layouts(), webhook.Layout{Version: "deep", TokenPath: "a/b/c/token"}) {
		t.Run(layout.Version, func(t *testing.T) {
			l := link(t, run(t, newPodAs(t, layout)), diagnose.TokenFile)
			require.Contains(t, l.Facts, diagnose.Fact{Name: "mount", Value: "a volume that the kubelet keeps up to date"})
			require.Regexp(t, `\{renewed after \S+, in 4[78]m`, fmt.Sprint(l.Facts))
		})
	}
}

func TestMountShowsWhoRenewsTheFile(t *testing.T) {
	p := newPod(t)
	plain := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(plain, []byte(p.Projection.Token()), 0o600))
	p.Options.TokenFilePath = plain
	l := link(t, run(t, p), diagnose.TokenFile)
	require.Contains(t, l.Facts, diagnose.Fact{Name: "mount", Value: "a plain file, which something must renew"})
	require.Equal(t, diagnose.Fine, l.Mark, "the token is still fresh")

	p.Options.TokenFilePath = filepath.Dir(plain)
	l = link(t, run(t, p), diagnose.TokenFile)
	require.Equal(t, diagnose.Failure, l.Mark)
	require.Len(t, l.Facts, 1, "a directory has neither mount nor time")
}

func TestLifetimeOfCenturiesDoesNotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBubblePod(t)
		volume, err := p.Cluster.Project(t.TempDir(), "token", entratest.TokenRequest{Pod: "orders", Lifetime: 200 * 365 * 24 * time.Hour})
		require.NoError(t, err)
		p.Options.TokenFilePath = volume.Path()
		require.Contains(t, fmt.Sprint(link(t, run(t, p), diagnose.TokenFile).Facts), ", in 24h0m0s")
	})
}

// Entra ID accepts the token, but will not in a few minutes.
func TestTokenThatIsNotRenewedIsAWarning(t *testing.T) {
	for age, want := range map[time.Duration]diagnose.Mark{
		49 * time.Minute:             diagnose.Fine, // the kubelet is about to renew it
		54*time.Minute - time.Second: diagnose.Fine,
		54*time.Minute + time.Second: diagnose.Warning,
		63 * time.Minute:             diagnose.Warning, // expired, but within Entra ID's tolerance
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newBubblePod(t)
			time.Sleep(age)
			r := run(t, p)
			require.Equal(t, diagnose.OK, r.Verdict, r)
			l := link(t, r, diagnose.TokenFile)
			require.Equal(t, want, l.Mark, age)
			if want == diagnose.Warning {
				require.Contains(t, l.Findings[0].Problem, "nothing has renewed the token")
				require.Contains(t, l.Findings[0].Fix, "check the node's kubelet")
			}
		})
	}
}

// The caller has no deadline here.
func TestHangingSourceTakesThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := newBubblePod(t)
		p.Options.Assertion = func(context.Context) (string, error) {
			<-release
			return "", nil
		}
		r := run(t, p)
		require.Equal(t, diagnose.Misconfigured, r.Verdict, r)
		require.Equal(t, 30*time.Second, link(t, r, diagnose.TokenFile).Took)
		require.Contains(t, r.String(), "it did not return")
	})
}

func TestAssertionReplacesTheFile(t *testing.T) {
	for name, row := range map[string]struct {
		source func(context.Context) (string, error)
		want   string // problem
	}{
		"fails":  {func(context.Context) (string, error) { return "", errors.New("no metadata service") }, "Options.Assertion: no metadata service"},
		"both":   {func(context.Context) (string, error) { return "a.b.c", errors.New("stale token") }, "Options.Assertion: stale token"},
		"empty":  {func(context.Context) (string, error) { return " \n", nil }, "Options.Assertion: it returned an empty token"},
		"panics": {func(context.Context) (string, error) { panic("oops") }, "a value of type string, not shown because it could hold a secret"},
		"hangs":  {func(context.Context) (string, error) { select {} }, "Options.Assertion: it did not return: context canceled"},
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
			require.Contains(t, r.Faults()[0].Findings[0].Problem, row.want)
		})
	}
	p := newPod(t)
	p.Options.Assertion = func(context.Context) (string, error) {
		return p.Cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders"})
	}
	require.Equal(t, diagnose.OK, run(t, p).Verdict)
}
