// Package oauth2token makes an oauth2.TokenSource of a credential, for the many packages that take
// one. Copy the file.
//
//	client := &http.Client{Transport: &oauth2.Transport{
//		Source: oauth2token.New(ctx, cred, "https://graph.microsoft.com/.default"),
//	}}
//
// Do not use oauth2.NewClient or oauth2.ReuseTokenSource. They keep a token until ten seconds
// before it expires, and then every caller waits for the next one. The credential has its own
// cache, which renews tokens ahead of time.
//
// An oauth2.Transport adds the token to every request, including one that a redirect sends to
// another host. If the server could redirect, set the client's CheckRedirect, or use package
// bearer.
//
// # Sources
//
// https://pkg.go.dev/golang.org/x/oauth2#TokenSource
package oauth2token

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"golang.org/x/oauth2"
)

// New returns a source of tokens for scope. It is safe for concurrent use.
//
// Every Token call uses ctx, because oauth2.TokenSource takes none. Pass the program's context, not
// a request's. When it ends, Token no longer waits.
//
// A token that the server refuses stays in use until the credential refreshes it. To replace it at
// once, call Credential.Invalidate.
func New(ctx context.Context, cred azcore.TokenCredential, scope string) oauth2.TokenSource {
	return &source{ctx, cred, scope}
}

type source struct {
	ctx   context.Context
	cred  azcore.TokenCredential
	scope string
}

// Token returns the cached token or a new one.
func (s *source) Token() (*oauth2.Token, error) {
	token, err := s.cred.GetToken(s.ctx, policy.TokenRequestOptions{Scopes: []string{s.scope}})
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: token.Token, TokenType: "Bearer", Expiry: token.ExpiresOn}, nil
}
