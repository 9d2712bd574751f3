// Package dbtoken gives database drivers access tokens as passwords, and replaces a token that the
// server refused. Copy the file. Packages postgres, mysql and sqlserver use it.
package dbtoken

import (
	"context"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
)

// pause is the minimum time between replacements. If the database lacks a role, the server refuses
// every token, and a pool that keeps reconnecting would cause an exchange each time.
const pause = time.Minute

// Source returns tokens for a scope. It is safe for concurrent use.
type Source struct {
	Credential *credential.Credential // required
	Scope      string                 // required

	mu       sync.Mutex
	replaced time.Time // when a token was last replaced
}

// Token returns the cached token or a new one. Call it for each connection.
func (s *Source) Token(ctx context.Context) (azcore.AccessToken, error) {
	return s.Credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{s.Scope}})
}

// Refused invalidates a token that the server refused, so that the next connection gets a new one.
// It does so at most once a minute.
func (s *Source) Refused(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.replaced.IsZero() && time.Since(s.replaced) < pause {
		return
	}
	s.replaced = time.Now()
	s.Credential.Invalidate(token)
}
