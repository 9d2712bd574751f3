// Package postgres connects to Azure Database for PostgreSQL with an access token as the password.
// Copy the file and package dbtoken.
//
//	config, err := postgres.Config("postgres://orders@shop.postgres.database.azure.com/shop?sslmode=verify-full", cred)
//	if err != nil {
//		return err
//	}
//	pool, err := pgxpool.NewWithConfig(ctx, config)
//
// The user is the database role that was created for the identity, by that role's name.
//
// The server checks the token only when a connection is made. A connection may outlive its token,
// and stay open after access was revoked. The pool's MaxConnLifetime limits that. Its default is an
// hour.
//
// # Sources
//
// https://learn.microsoft.com/azure/postgresql/flexible-server/how-to-connect-with-managed-identity
// https://pkg.go.dev/github.com/jackc/pgx/v5/pgxpool#Config
package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/azuresdk/dbtoken"
)

const (
	scope           = "https://ossrdbms-aad.database.windows.net/.default"
	invalidPassword = "28P01" // https://www.postgresql.org/docs/current/errcodes-appendix.html
)

// Config returns a pool's configuration. Each new connection gets a token from the credential. If
// the server refuses the token, the next connection gets a new one.
//
// The token is sent in clear text, so Config refuses a connection string that allows a connection
// without TLS or to an unverified server. Set sslmode=verify-full.
func Config(connString string, cred *credential.Credential) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(connString)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := verifiesServer(config.ConnConfig); err != nil {
		return nil, err
	}
	tokens := &dbtoken.Source{Credential: cred, Scope: scope}
	config.BeforeConnect = func(ctx context.Context, connection *pgx.ConnConfig) error {
		token, err := tokens.Token(ctx)
		if err != nil {
			return err
		}
		connection.Password = token.Token // connection is a copy for this connection only
		onError := connection.OnPgError
		connection.OnPgError = func(c *pgconn.PgConn, e *pgconn.PgError) bool {
			if e.Code == invalidPassword {
				tokens.Refused(token.Token)
			}
			return onError(c, e)
		}
		return nil
	}
	return config, nil
}

// verifiesServer checks the fallbacks too: sslmode=prefer has one without TLS.
func verifiesServer(config *pgx.ConnConfig) error {
	insecure := config.TLSConfig == nil || config.TLSConfig.InsecureSkipVerify
	for _, fallback := range config.Fallbacks {
		insecure = insecure || fallback.TLSConfig == nil || fallback.TLSConfig.InsecureSkipVerify
	}
	if insecure {
		return errors.New("postgres: set sslmode=verify-full in the connection string: without it, any server could receive the token")
	}
	return nil
}
