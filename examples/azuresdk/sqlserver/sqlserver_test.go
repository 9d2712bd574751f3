package sqlserver_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
	"github.com/entrafed/entrafed/examples/azuresdk/sqlserver"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const connString = "sqlserver://" + host + "?database=orders&encrypt=strict"

// trusting adds the file of the fake's CA to a connection string.
func trusting(p *pod.Pod, dir, connString string) string {
	file := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, p.CA.PEM(), 0o600); err != nil {
		panic(err)
	}
	return connString + "&certificate=" + file
}

func ExampleNew() {
	p := pod.New() // replaces Azure
	defer p.Close()
	database := serve(p)
	dir, err := os.MkdirTemp("", "ca")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	connector, err := sqlserver.New(trusting(p, dir, "sqlserver://shop.database.windows.net?database=orders&encrypt=strict"), p.Credential())
	if err != nil {
		panic(err)
	}
	connector.Dialer = database
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	fmt.Println(db.PingContext(context.Background()))
	// Output:
	// <nil>
}

func open(t *testing.T, p *pod.Pod, database *server, cred *credential.Credential, connString string) *sql.DB {
	t.Helper()
	connector, err := sqlserver.New(trusting(p, t.TempDir(), connString), cred)
	require.NoError(t, err)
	connector.Dialer = database
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newDatabase(t *testing.T) (*pod.Pod, *server) {
	t.Helper()
	p := pod.New()
	t.Cleanup(p.Close)
	return p, serve(p)
}

// Each connection gets the current token.
func TestTokenPerConnection(t *testing.T) {
	for _, encrypt := range []string{"strict", "true"} {
		p, database := newDatabase(t)
		cred := p.Credential()
		db := open(t, p, database, cred, "sqlserver://"+host+"?database=orders&encrypt="+encrypt)

		require.NoError(t, db.PingContext(t.Context()))
		require.NoError(t, db.PingContext(t.Context()))
		require.Len(t, database.seen(), 1, "both pings use one connection")

		db.SetMaxIdleConns(-1) // a new connection for each ping
		require.NoError(t, db.PingContext(t.Context()))
		require.Equal(t, 1, p.Exchanges(), "the second connection got the cached token")

		cred.Invalidate(database.seen()[0])
		require.NoError(t, db.PingContext(t.Context()))
		tokens := database.seen()
		require.Len(t, tokens, 3)
		assert.True(t, tokens[0] == tokens[1])
		assert.False(t, tokens[1] == tokens[2])
		assert.Equal(t, 2, p.Exchanges())
	}
}

// A connection is used while its token is valid, and no longer.
func TestConnectionEndsWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, database := newDatabase(t)
		database.network = net.Pipe
		db := open(t, p, database, p.Credential(), connString)
		for range 59 {
			require.NoError(t, db.PingContext(t.Context()))
			time.Sleep(time.Minute)
		}
		require.Len(t, database.seen(), 1)

		time.Sleep(time.Minute)
		require.NoError(t, db.PingContext(t.Context()))

		tokens := database.seen()
		require.Len(t, tokens, 2)
		assert.False(t, tokens[0] == tokens[1])
	})
}

// The pool discards a connection whose token expired during a transaction.
func TestLongTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, database := newDatabase(t)
		database.network = net.Pipe
		db := open(t, p, database, p.Credential(), connString)
		connection, err := db.Conn(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Hour)
		require.NoError(t, connection.PingContext(t.Context()), "the server decides")

		require.NoError(t, connection.Close())

		assert.Zero(t, db.Stats().OpenConnections)
	})
}

// A revoked token is replaced before it expires.
func TestRefusedTokenIsReplaced(t *testing.T) {
	p, database := newDatabase(t)
	cred := p.Credential()
	token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://database.windows.net/.default"}})
	require.NoError(t, err)
	p.Revoke(token.Token)
	db := open(t, p, database, cred, connString)

	err = db.PingContext(t.Context())
	var refusal mssql.Error
	require.ErrorAs(t, err, &refusal)
	assert.EqualValues(t, 18456, refusal.Number)
	assert.False(t, strings.Contains(err.Error(), token.Token)) // NotContains would print it
	require.NoError(t, db.PingContext(t.Context()))

	tokens := database.seen()
	require.Len(t, tokens, 2)
	assert.True(t, tokens[0] == token.Token)
	assert.Equal(t, 2, p.Exchanges())
}

// Other errors are not the token's fault.
func TestOtherErrorsKeepTheToken(t *testing.T) {
	p, database := newDatabase(t)
	database.number = 4060 // cannot open database
	database.verifier = p.Verifier("https://another.example")
	db := open(t, p, database, p.Credential(), connString)

	for range 2 {
		require.Error(t, db.PingContext(t.Context()))
	}

	assert.Equal(t, 1, p.Exchanges())
}

func TestRefusalOfEntra(t *testing.T) {
	p, database := newDatabase(t)
	p.Entra.SetReply(new(entratest.Refuse(700016)))

	err := open(t, p, database, p.Credential(), connString).PingContext(t.Context())

	var refusal *exchange.Error
	require.ErrorAs(t, err, &refusal)
	assert.Empty(t, database.seen())
}

// The server must show its certificate before it gets the token.
func TestServerOfAnotherName(t *testing.T) {
	for _, encrypt := range []string{"strict", "true"} {
		p, database := newDatabase(t)

		err := open(t, p, database, p.Credential(), "sqlserver://other.database.windows.net?database=orders&encrypt="+encrypt).PingContext(t.Context())

		require.ErrorContains(t, err, "certificate is valid for "+host)
		assert.Empty(t, database.seen())
	}
}

func TestConnectionStringMustVerifyTheServer(t *testing.T) {
	for _, query := range []string{"", "?encrypt=false", "?encrypt=disable", "?encrypt=true&TrustServerCertificate=true", "?TrustServerCertificate=true"} {
		_, err := sqlserver.New("sqlserver://"+host+query, nil)
		require.ErrorContains(t, err, "encrypt=strict", query)
	}
	_, err := sqlserver.New("sqlserver://"+host+"?encrypt=perhaps", nil)
	require.ErrorContains(t, err, "sqlserver: ")
}
