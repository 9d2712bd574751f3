// Package sqlserver connects to Azure SQL Database or Managed Instance with an access token. Copy
// the file and package dbtoken.
//
//	connector, err := sqlserver.New("sqlserver://shop.database.windows.net?database=orders&encrypt=strict", cred)
//	if err != nil {
//		return err
//	}
//	db := sql.OpenDB(connector)
//
// The identity needs a user in the database: CREATE USER [NAME] FROM EXTERNAL PROVIDER.
//
// A connection must not outlive its token. The server checks the token when the connection is made,
// and may check it again for any later statement and refuse that with 18456. A connection cannot
// get a new token. So the pool discards a connection whose token has expired, both on return and
// before reuse. For a statement that runs longer, the server decides.
//
// The driver's own package azuread uses azidentity's credentials, one per connection string. This
// package is for a program that already has a credential.
//
// # Sources
//
// https://learn.microsoft.com/azure/azure-sql/database/authentication-aad-configure,
// https://pkg.go.dev/github.com/microsoft/go-mssqldb#NewSecurityTokenConnector and, for connections
// that outlive their token,
// https://techcommunity.microsoft.com/blog/sqlserver/all-about-sql-drivers-and-access-tokens/4004499
// and https://github.com/dotnet/SqlClient/issues/3245
package sqlserver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/azuresdk/dbtoken"
)

const (
	scope       = "https://database.windows.net/.default"
	loginFailed = 18456 // https://learn.microsoft.com/sql/relational-databases/errors-events/mssqlserver-18456-database-engine-error
)

// Connector makes connections for [database/sql.OpenDB].
type Connector struct {
	// Dialer connects to the server. Nil means the driver's dialer.
	Dialer mssql.Dialer

	config msdsn.Config
	tokens *dbtoken.Source
}

// New returns a connector for [database/sql.OpenDB]. Each new connection gets a token from the
// credential. If the server refuses the token, the next connection gets a new one.
//
// The token is sent in clear text, so New refuses a connection string that allows a connection
// without TLS or to an unverified server. Set encrypt=strict or encrypt=true.
func New(connString string, cred *credential.Credential) (*Connector, error) {
	config, err := msdsn.Parse(connString)
	if err != nil {
		return nil, fmt.Errorf("sqlserver: %w", err)
	}
	encrypted := config.Encryption == msdsn.EncryptionStrict || config.Encryption == msdsn.EncryptionRequired
	if !encrypted || config.TLSConfig.InsecureSkipVerify {
		return nil, errors.New("sqlserver: set encrypt=strict in the connection string: without it, any server could receive the token")
	}
	return &Connector{config: config, tokens: &dbtoken.Source{Credential: cred, Scope: scope}}, nil
}

// Connect implements [driver.Connector].
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	var token azcore.AccessToken // of the last attempt, because the server may redirect the driver
	config := c.config
	config.TLSConfig = config.TLSConfig.Clone() // the driver sets NextProtos
	inner, err := mssql.NewSecurityTokenConnector(config, func(ctx context.Context) (string, error) {
		var err error
		token, err = c.tokens.Token(ctx)
		return token.Token, err
	})
	if err != nil {
		return nil, err
	}
	inner.Dialer = c.Dialer
	made, err := inner.Connect(ctx)
	if refusal, ok := errors.AsType[mssql.Error](err); ok && refusal.Number == loginFailed {
		c.tokens.Refused(token.Token)
	}
	if err != nil {
		return nil, err
	}
	return &connection{made.(*mssql.Conn), token.ExpiresOn}, nil
}

// connection wraps the driver's connection, and is valid until its token expires.
type connection struct {
	*mssql.Conn
	ends time.Time
}

// IsValid implements [driver.Validator]. The pool calls it when a connection is returned.
func (c *connection) IsValid() bool { return time.Now().Before(c.ends) && c.Conn.IsValid() }

// ResetSession implements [driver.SessionResetter]. The pool calls it before it reuses a
// connection.
func (c *connection) ResetSession(ctx context.Context) error {
	if !c.IsValid() {
		return driver.ErrBadConn
	}
	return c.Conn.ResetSession(ctx)
}

// Driver implements [driver.Connector].
func (c *Connector) Driver() driver.Driver { return &mssql.Driver{} }
