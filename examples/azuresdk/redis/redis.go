// Package redis connects to Azure Managed Redis or Azure Cache for Redis with access tokens instead
// of an access key. Copy the file.
//
//	client := goredis.NewClient(redis.Options("shop.westeurope.redis.azure.net:10000", cred))
//
// The server closes a connection when its token expires. Before that, each connection gets a new
// token at its own time and signs in again with AUTH. The user name is the object ID of the
// identity's service principal, not its client ID. It is read from the token. The identity must be
// a Redis user of the cache, or have an access policy for it.
//
// A connection that is idle when its new token arrives signs in at its next use. If the old token
// has expired by then, the server has closed the connection, and go-redis opens another. A
// connection with a subscription is never idle. The server closes it when the token expires, and
// go-redis subscribes again. Messages published in between are lost.
//
// # Sources
//
// https://learn.microsoft.com/azure/redis/entra-for-authentication and
// https://pkg.go.dev/github.com/redis/go-redis/v9/auth#StreamingCredentialsProvider
package redis

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/auth"

	"github.com/entrafed/entrafed/credential"
)

const (
	scope = "https://redis.azure.com/.default"
	again = 10 * time.Second // after a failure; the credential has its own backoff
)

// Options returns client options: the address, which must have a port, TLS and [Credentials].
func Options(address string, cred *credential.Credential) *redis.Options {
	return &redis.Options{
		Addr:                         address,
		TLSConfig:                    &tls.Config{MinVersion: tls.VersionTLS12},
		StreamingCredentialsProvider: Credentials(cred),
	}
}

// Credentials returns a provider for redis.Options or redis.ClusterOptions that signs connections
// in. Set their TLSConfig too, because the token is sent in clear text.
//
// Each open connection has a timer for its next token. Nothing else runs, so there is nothing to
// close.
func Credentials(cred *credential.Credential) auth.StreamingCredentialsProvider {
	return &provider{cred: cred, connections: map[auth.CredentialsListener]*connection{}}
}

type provider struct {
	cred *credential.Credential

	mu          sync.Mutex
	connections map[auth.CredentialsListener]*connection
}

// connection has the token that a connection signed in with, until the timer replaces it.
type connection struct {
	token string
	timer *time.Timer
}

// Subscribe implements [auth.StreamingCredentialsProvider]. The listener represents a connection.
// Subscribe returns its first token, and the provider passes it every later one.
func (p *provider) Subscribe(listener auth.CredentialsListener) (auth.Credentials, auth.UnsubscribeFunc, error) {
	token, credentials, err := p.get()
	if err != nil {
		return nil, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.connections[listener]
	if c == nil {
		c = &connection{}
		c.timer = time.AfterFunc(time.Hour, func() { p.renew(listener) }) // reset below
		p.connections[listener] = c
	}
	c.token = token.Token
	c.timer.Reset(until(token))
	return credentials, func() error { p.remove(listener); return nil }, nil
}

func (p *provider) remove(listener auth.CredentialsListener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.connections[listener]; c != nil {
		c.timer.Stop()
		delete(p.connections, listener)
	}
}

// renew gives a connection the current token, if it changed, and sets the timer for the next one.
func (p *provider) renew(listener auth.CredentialsListener) {
	token, credentials, err := p.get()
	p.mu.Lock()
	c := p.connections[listener]
	if c == nil {
		p.mu.Unlock()
		return
	}
	if err != nil { // the connection's token may still be valid
		c.timer.Reset(again)
		p.mu.Unlock()
		return
	}
	c.timer.Reset(until(token))
	another := c.token != token.Token
	c.token = token.Token
	p.mu.Unlock()
	if another {
		listener.OnNext(credentials)
	}
}

// until returns how long to wait before asking for the next token, as the credential recommends.
func until(token azcore.AccessToken) time.Duration {
	return max(time.Until(token.RefreshOn), time.Second)
}

// get asks the credential. go-redis passes no context here, so the credential's own timeouts limit
// the wait.
func (p *provider) get() (azcore.AccessToken, auth.Credentials, error) {
	token, err := p.cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{scope}})
	if err != nil {
		return token, nil, err
	}
	user, err := objectID(token.Token)
	return token, auth.NewBasicCredentials(user, token.Token), err
}

// objectID returns an access token's oid claim. The error does not quote the token.
func objectID(token string) (string, error) {
	_, payload, _ := strings.Cut(token, ".")
	payload, _, _ = strings.Cut(payload, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(payload)
	var claims struct {
		ObjectID string `json:"oid"`
	}
	if err != nil || json.Unmarshal(decoded, &claims) != nil || claims.ObjectID == "" {
		return "", errors.New("redis: the access token has no object ID")
	}
	return claims.ObjectID, nil
}
