// Package postgres connects to Azure Database for PostgreSQL with an access token as the password. Copy the file.
//
//	config, err := postgres.Config("postgres://orders@shop.postgres.database.azure.com/shop?sslmode=verify-full", cred)
//	if err != nil {
//		return err
//	}
//	pool, err := pgxpool.NewWithConfig(ctx, config)
//
// The user is the database role that was made for the identity, by the name it was made with. The server looks at the token when
// a connection is made and not after, so that a connection may outlive its token, and a new one needs a token of its time.
//
// # Sources
//
// https://learn.microsoft.com/azure/postgresql/flexible-server/how-to-connect-with-managed-identity and
// https://pkg.go.dev/github.com/jackc/pgx/v5/pgxpool#Config
package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const scope = "https://ossrdbms-aad.database.windows.net/.default"

// Config returns a pool's configuration in which each new connection gets a token from the credential. The token goes over the
// wire as it is, so a connection string that allows one without TLS, or with any server, is refused: say sslmode=verify-full.
func Config(connString string, cred azcore.TokenCredential) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(connString)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := verifiesServer(config.ConnConfig); err != nil {
		return nil, err
	}
	config.BeforeConnect = func(ctx context.Context, connection *pgx.ConnConfig) error {
		token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		if err != nil {
			return err
		}
		connection.Password = token.Token // of a copy that is this connection's
		return nil
	}
	return config, nil
}

// verifiesServer looks at the fallbacks too: sslmode=prefer has one without TLS.
func verifiesServer(config *pgx.ConnConfig) error {
	insecure := config.TLSConfig == nil || config.TLSConfig.InsecureSkipVerify
	for _, fallback := range config.Fallbacks {
		insecure = insecure || fallback.TLSConfig == nil || fallback.TLSConfig.InsecureSkipVerify
	}
	if insecure {
		return errors.New("postgres: the connection string does not say sslmode=verify-full: the token would go to whoever answers")
	}
	return nil
}
