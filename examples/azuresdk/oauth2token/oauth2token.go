// Package oauth2token makes an oauth2.TokenSource of a credential, for the many packages that take one. Copy the file.
//
//	client := &http.Client{Transport: &oauth2.Transport{
//		Source: oauth2token.New(ctx, cred, "https://graph.microsoft.com/.default"),
//	}}
//
// Do without oauth2.NewClient and oauth2.ReuseTokenSource: they keep a token until ten seconds before its end, and with it every
// caller waits for the next one then. The credential has a cache of its own, which renews tokens ahead of time.
//
// An oauth2.Transport puts the token into whatever request it gets, that of a redirect to another host included. Set the client's
// CheckRedirect where the server could say one, or see package bearer.
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

// New returns a source of tokens for a scope. It is safe for concurrent use.
//
// ctx is for all tokens, because the interface has none: the program's, not a request's. When it ends, so does waiting for
// tokens.
func New(ctx context.Context, cred azcore.TokenCredential, scope string) oauth2.TokenSource {
	return &source{ctx, cred, scope}
}

type source struct {
	ctx   context.Context
	cred  azcore.TokenCredential
	scope string
}

// Token returns the credential's cached token, or a new one.
func (s *source) Token() (*oauth2.Token, error) {
	token, err := s.cred.GetToken(s.ctx, policy.TokenRequestOptions{Scopes: []string{s.scope}})
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: token.Token, TokenType: "Bearer", Expiry: token.ExpiresOn}, nil
}
