// Package mysql connects to Azure Database for MySQL with an access token as the password. Copy the
// file and package dbtoken.
//
//	// mysql is the driver's package, azuremysql is this one.
//	config, err := mysql.ParseDSN("orders@tcp(shop.mysql.database.azure.com)/shop?tls=true")
//	if err != nil {
//		return err
//	}
//	connector, err := azuremysql.New(config, cred)
//	if err != nil {
//		return err
//	}
//	db := sql.OpenDB(connector)
//	db.SetConnMaxLifetime(time.Hour)
//
// The user is the database user that was created for the identity, by that user's name.
//
// The server checks the token only when a connection is made. A connection may outlive its token,
// and stay open after access was revoked. SetConnMaxLifetime limits that. There is no limit by
// default.
//
// # Sources
//
// https://learn.microsoft.com/azure/mysql/flexible-server/how-to-azure-ad, also for the plugin that
// sends the token in clear text, and https://pkg.go.dev/github.com/go-sql-driver/mysql#Config
package mysql

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/go-sql-driver/mysql"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/azuresdk/dbtoken"
)

const scope = "https://ossrdbms-aad.database.windows.net/.default"

// Errors that a new token may fix.
const (
	accessDenied = 1045 // https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
	tokenExpired = 9119 // Azure's own; https://github.com/microsoft/azuredatastudio-mysql/issues/222
)

// New returns a connector for [database/sql.OpenDB]. Each new connection gets a token from the
// credential. If the server refuses the token, the next connection gets a new one.
//
// config comes from mysql.ParseDSN. A Config made in code must set TLS itself, because the driver
// evaluates TLSConfig only when it connects. New copies config. The token is sent
// in clear text, so New refuses a config that allows a connection without TLS or to an unverified
// server. Set tls=true.
func New(config *mysql.Config, cred *credential.Credential) (driver.Connector, error) {
	if config.TLS == nil || config.TLS.InsecureSkipVerify || config.AllowFallbackToPlaintext {
		return nil, errors.New("mysql: set tls=true in the DSN: without it, any server could receive the token")
	}
	config = config.Clone()
	config.AllowCleartextPasswords = true // the server asks for mysql_clear_password
	return &connector{config, &dbtoken.Source{Credential: cred, Scope: scope}}, nil
}

type connector struct {
	config *mysql.Config
	tokens *dbtoken.Source
}

// Connect implements [driver.Connector].
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return nil, err
	}
	config := c.config.Clone()
	config.Passwd = token.Token
	inner, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	connection, err := inner.Connect(ctx)
	if refusal, ok := errors.AsType[*mysql.MySQLError](err); ok && (refusal.Number == accessDenied || refusal.Number == tokenExpired) {
		c.tokens.Refused(token.Token)
	}
	return connection, err
}

// Driver implements [driver.Connector].
func (c *connector) Driver() driver.Driver { return mysql.MySQLDriver{} }
