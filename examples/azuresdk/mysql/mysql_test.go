package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
	azuremysql "github.com/entrafed/entrafed/examples/azuresdk/mysql"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const dsn = "orders@tcp(" + host + ")/shop?tls=true"

// reach makes the driver connect to the fake and trust it.
func reach(p *pod.Pod, config *mysql.Config) {
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return p.Dial(ctx, network, address)
	}
	config.TLS.RootCAs = p.CA.Pool()
}

func ExampleNew() {
	p := pod.New() // replaces Azure
	defer p.Close()
	database := serve(p)
	defer database.close()

	config, err := mysql.ParseDSN("orders@tcp(shop.mysql.database.azure.com)/shop?tls=true")
	if err != nil {
		panic(err)
	}
	reach(p, config)
	connector, err := azuremysql.New(config, p.Credential())
	if err != nil {
		panic(err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	fmt.Println(db.PingContext(context.Background()))
	// Output:
	// <nil>
}

func open(t *testing.T, p *pod.Pod, cred *credential.Credential) *sql.DB {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	reach(p, config)
	connector, err := azuremysql.New(config, cred)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newDatabase(t *testing.T) (*pod.Pod, *server) {
	t.Helper()
	p := pod.New()
	t.Cleanup(p.Close)
	database := serve(p)
	t.Cleanup(database.close)
	return p, database
}

// Each connection gets the current token.
func TestTokenPerConnection(t *testing.T) {
	p, database := newDatabase(t)
	cred := p.Credential()
	db := open(t, p, cred)

	require.NoError(t, db.PingContext(t.Context()))
	require.NoError(t, db.PingContext(t.Context()))
	users, passwords := database.seen()
	require.Equal(t, []string{"orders"}, users, "both pings use one connection")

	db.SetMaxIdleConns(-1) // a new connection for each ping
	require.NoError(t, db.PingContext(t.Context()))
	require.Equal(t, 1, p.Exchanges(), "the second connection got the cached token")

	cred.Invalidate(passwords[0])
	require.NoError(t, db.PingContext(t.Context()))
	_, passwords = database.seen()
	require.Len(t, passwords, 3)
	assert.True(t, passwords[0] == passwords[1])
	assert.False(t, passwords[1] == passwords[2])
	assert.Equal(t, 2, p.Exchanges())
}

// A revoked token is replaced before it expires.
func TestRefusedTokenIsReplaced(t *testing.T) {
	for _, number := range []uint16{1045, 9119} {
		p, database := newDatabase(t)
		database.number = number
		cred := p.Credential()
		token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://ossrdbms-aad.database.windows.net/.default"}})
		require.NoError(t, err)
		p.Revoke(token.Token)
		db := open(t, p, cred)

		err = db.PingContext(t.Context())
		var refusal *mysql.MySQLError
		require.ErrorAs(t, err, &refusal)
		assert.Equal(t, number, refusal.Number)
		assert.False(t, strings.Contains(err.Error(), token.Token)) // NotContains would print it
		require.NoError(t, db.PingContext(t.Context()))

		_, passwords := database.seen()
		require.Len(t, passwords, 2)
		assert.True(t, passwords[0] == token.Token)
		assert.Equal(t, 2, p.Exchanges())
	}
}

// Other errors are not the token's fault.
func TestOtherErrorsKeepTheToken(t *testing.T) {
	p, database := newDatabase(t)
	database.number = 1040 // too many connections
	database.verifier = p.Verifier("https://another.example")
	db := open(t, p, p.Credential())

	for range 2 {
		require.Error(t, db.PingContext(t.Context()))
	}

	assert.Equal(t, 1, p.Exchanges())
}

func TestRefusalOfEntra(t *testing.T) {
	p, database := newDatabase(t)
	p.Entra.SetReply(new(entratest.Refuse(700016)))

	err := open(t, p, p.Credential()).PingContext(t.Context())

	var refusal *exchange.Error
	require.ErrorAs(t, err, &refusal)
	users, _ := database.seen()
	assert.Empty(t, users)
}

// The server must show its certificate before it gets the token.
func TestServerOfAnotherName(t *testing.T) {
	p, database := newDatabase(t)
	p.Lead("other.mysql.database.azure.com", database.listener.Addr().String())
	config, err := mysql.ParseDSN("orders@tcp(other.mysql.database.azure.com)/shop?tls=true")
	require.NoError(t, err)
	reach(p, config)
	connector, err := azuremysql.New(config, p.Credential())
	require.NoError(t, err)

	_, err = connector.Connect(t.Context())

	require.ErrorContains(t, err, "certificate is valid for "+host)
	users, _ := database.seen()
	assert.Empty(t, users)
}

func TestDSNMustVerifyTheServer(t *testing.T) {
	for _, query := range []string{"", "?tls=false", "?tls=preferred", "?tls=skip-verify", "?tls=true&allowFallbackToPlaintext=true"} {
		config, err := mysql.ParseDSN("orders@tcp(" + host + ")/shop" + query)
		require.NoError(t, err)

		_, err = azuremysql.New(config, nil)

		require.ErrorContains(t, err, "tls=true", query)
	}
}

func TestConfigIsCopied(t *testing.T) {
	p, _ := newDatabase(t)
	config, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	reach(p, config)
	connector, err := azuremysql.New(config, p.Credential())
	require.NoError(t, err)

	connection, err := connector.Connect(t.Context())

	require.NoError(t, err)
	require.NoError(t, connection.Close())
	assert.Empty(t, config.Passwd)
	assert.False(t, config.AllowCleartextPasswords)
	assert.IsType(t, mysql.MySQLDriver{}, connector.Driver())
}
