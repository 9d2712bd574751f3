package soak

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/links"
)

// rig is one credential and its surroundings: a token endpoint behind TLS that flaps, and a token
// file that rotates.
type rig struct {
	web        *httptest.Server
	client     *http.Client
	entra      atomic.Pointer[endpoints]
	file       *entratest.Projection
	credential *credential.Credential
}

// endpoints are the fake Entra IDs of one phase. Their tokens have different lifetimes.
type endpoints struct {
	calm, hasty entratest.Server
}

func newRig(t *testing.T) *rig {
	links.Need(t)
	r := &rig{}
	r.renew()
	r.web = httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
	// Connections are dropped on purpose.
	r.web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	r.web.StartTLS()
	r.client = r.web.Client()
	pod, err := entratest.NewPod(t.TempDir(), nil)
	require.NoError(t, err)
	r.file = pod.Projection
	options := &credential.Options{ClientID: pod.ClientID, TenantID: pod.TenantID, TokenFilePath: pod.TokenFile}
	options.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: r.web.URL}
	options.Transport = r.client
	options.AdditionallyAllowedTenants = []string{calm}
	options.Retry = policy.RetryOptions{RetryDelay: 10 * time.Millisecond, TryTimeout: 500 * time.Millisecond}
	r.credential, err = credential.New(options)
	require.NoError(t, err)
	_, err = r.credential.GetToken(t.Context(), policy.TokenRequestOptions{TenantID: calm, Scopes: []string{resources[0] + "/.default"}})
	require.NoError(t, err)
	return r
}

// close ends the endpoint and its idle connections.
func (r *rig) close() {
	r.client.CloseIdleConnections()
	r.web.Close()
}

func (r *rig) serve(w http.ResponseWriter, req *http.Request) {
	all := r.entra.Load()
	if strings.HasPrefix(req.URL.Path, "/"+calm+"/") {
		all.calm.ServeHTTP(w, req)
		return
	}
	all.hasty.ServeHTTP(w, req)
}

// renew replaces the endpoints, because they keep everything that they receive. All tokens are due
// for refresh after a second. Those of the calm tenant outlive every fault here; the others are
// often in their final seconds.
func (r *rig) renew() *endpoints {
	all := new(endpoints)
	all.calm.Lifetime, all.calm.RefreshIn = time.Hour, time.Second
	all.hasty.Lifetime, all.hasty.RefreshIn = 8*time.Second, time.Second
	r.entra.Store(all)
	return all
}

// flap changes the endpoint's behavior several times a second until ctx ends. Every other phase is
// one of good service.
func (r *rig) flap(ctx context.Context) {
	phases := []entratest.Reply{
		entratest.Unavailable(0), entratest.Unavailable(time.Second), entratest.Throttle(time.Second),
		entratest.Refuse(700024), entratest.Refuse(700016), {Status: http.StatusOK, Body: "<html>"},
		{Err: http.ErrAbortHandler}, {Delay: 100 * time.Millisecond}, {Hang: true},
	}
	for good := true; ctx.Err() == nil; good = !good {
		all, reply, delay := r.renew(), phases[rand.N(len(phases))], rand.N(20*time.Millisecond)
		for _, s := range []*entratest.Server{&all.calm, &all.hasty} {
			s.SetDelay(delay)
			if !good {
				s.SetReply(&reply)
			}
		}
		pause(ctx, 50*time.Millisecond+rand.N(250*time.Millisecond))
	}
	r.renew()
}

// rotate replaces the federated token as the kubelet does, but more often.
func (r *rig) rotate(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		if err := r.file.Rotate(); err != nil {
			t.Error(err)
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// pause waits for d, but no longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
