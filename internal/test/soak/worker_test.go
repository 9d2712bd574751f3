package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/golang-jwt/jwt/v5"
)

const (
	// calm is a tenant that has a token from the start. Nobody invalidates or challenges it.
	calm      = "calm"
	challenge = `{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`
)

var resources = []string{"https://vault.azure.net", "https://storage.azure.com", "https://management.azure.com", "https://graph.microsoft.com"}

// worker is one goroutine that uses the credential at random.
type worker struct {
	*rig
	t *testing.T

	began  atomic.Int64 // when its current call began; 0 between calls
	calls  int
	tokens int
}

func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.began.Store(time.Now().UnixNano())
		w.call()
		w.began.Store(0)
		w.calls++
		pause(ctx, rand.N(20*time.Millisecond))
	}
}

// call makes one call, with a context that ends soon, has ended, or ends during the call.
func (w *worker) call() {
	ctx, cancel := context.WithTimeout(context.Background(), rand.N(300*time.Millisecond))
	defer cancel()
	switch rand.N(20) {
	case 0:
		cancel()
	case 1:
		stop := time.AfterFunc(rand.N(10*time.Millisecond), cancel)
		defer stop.Stop()
	case 2:
		w.status()
		return
	}
	options := request()
	token, err := w.credential.GetToken(ctx, options)
	if err != nil {
		w.failed(ctx, options, err)
		return
	}
	w.tokens++
	w.valid(token, options.Scopes[0])
	if options.TenantID != calm && rand.N(50) == 0 {
		w.credential.Invalidate(token.Token)
	}
}

// request returns a random request: one in four for the calm tenant, the others for any resource,
// with or without CAE, and sometimes with a challenge.
func request() policy.TokenRequestOptions {
	if rand.N(4) == 0 {
		return policy.TokenRequestOptions{TenantID: calm, Scopes: []string{resources[0] + "/.default"}}
	}
	options := policy.TokenRequestOptions{Scopes: []string{resources[rand.N(len(resources))] + "/.default"}, EnableCAE: rand.N(2) == 0}
	if rand.N(20) == 0 {
		options.Claims = fmt.Sprintf(challenge, rand.N(3)) // only three, so that some are shared
	}
	return options
}

// failed checks that a call had a reason to fail.
func (w *worker) failed(ctx context.Context, options policy.TokenRequestOptions, err error) {
	w.check(err.Error())
	if ctx.Err() == nil && errors.Is(err, context.Canceled) {
		w.t.Errorf("another caller's cancellation: %v", err)
	}
	if options.TenantID == calm {
		w.t.Errorf("no token while a valid one was in memory: %v", err)
	}
}

func (w *worker) status() {
	text, err := json.Marshal(w.credential.Status())
	if err != nil {
		w.t.Error(err)
	}
	w.check(string(text))
}

// valid checks that a token was valid when it was returned, by its ExpiresOn and its claims, and is
// for the scope's resource.
func (w *worker) valid(token azcore.AccessToken, scope string) {
	now := time.Unix(0, w.began.Load()) // when the call began: its return may be long past
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token.Token, &claims); err != nil {
		w.t.Error(err)
		return
	}
	if now.After(token.ExpiresOn) || now.After(claims.ExpiresAt.Add(time.Second)) {
		w.t.Errorf("token expired at %v (ExpiresOn) and %v (claims), returned at %v", token.ExpiresOn, claims.ExpiresAt, now)
	}
	if claims.Audience[0]+"/.default" != scope {
		w.t.Errorf("token for %v, not %s", claims.Audience, scope)
	}
}

// check looks for a JWT in text that people and programs read. There must be none.
func (w *worker) check(text string) {
	if strings.Contains(text, "eyJhbGciOi") {
		w.t.Errorf("a token in %s", text)
	}
}
