package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
	"github.com/entrafed/entrafed/examples/azuresdk/postgres"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
)

const connString = "postgres://orders@" + host + "/shop?sslmode=verify-full"

// reach makes the pool resolve, connect to and trust the fake.
func reach(p *pod.Pod, config *pgxpool.Config) {
	config.ConnConfig.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	config.ConnConfig.DialFunc = p.Dial
	config.ConnConfig.TLSConfig.RootCAs = p.CA.Pool()
}

func ExampleConfig() {
	p := pod.New() // replaces Azure
	defer p.Close()
	database := serve(p)
	defer database.close()
	ctx := context.Background()

	config, err := postgres.Config("postgres://orders@shop.postgres.database.azure.com/shop?sslmode=verify-full", p.Credential())
	if err != nil {
		panic(err)
	}
	reach(p, config)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	fmt.Println(pool.Ping(ctx))
	// Output:
	// <nil>
}

func newPool(t *testing.T, p *pod.Pod, cred *credential.Credential) *pgxpool.Pool {
	t.Helper()
	config, err := postgres.Config(connString, cred)
	require.NoError(t, err)
	reach(p, config)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
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
	pool := newPool(t, p, cred)

	require.NoError(t, pool.Ping(t.Context()))
	require.NoError(t, pool.Ping(t.Context()))
	users, passwords := database.seen()
	require.Equal(t, []string{"orders"}, users, "both pings use one connection")

	pool.Reset()
	require.NoError(t, pool.Ping(t.Context()))
	require.Equal(t, 1, p.Exchanges(), "the second connection got the cached token")

	cred.Invalidate(passwords[0])
	pool.Reset()
	require.NoError(t, pool.Ping(t.Context()))
	_, passwords = database.seen()
	require.Len(t, passwords, 3)
	assert.True(t, passwords[0] == passwords[1])
	assert.False(t, passwords[1] == passwords[2])
	assert.Equal(t, 2, p.Exchanges())
}

func TestRefusalOfEntra(t *testing.T) {
	p, database := newDatabase(t)
	p.Entra.SetReply(new(entratest.Refuse(700016)))

	err := newPool(t, p, p.Credential()).Ping(t.Context())

	var refusal *exchange.Error
	require.ErrorAs(t, err, &refusal)
	users, _ := database.seen()
	assert.Empty(t, users)
}

// A token that was revoked, or issued before the role existed, is replaced before it expires.
func TestRefusedTokenIsReplaced(t *testing.T) {
	p, database := newDatabase(t)
	cred := p.Credential()
	token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://ossrdbms-aad.database.windows.net/.default"}})
	require.NoError(t, err)
	p.Revoke(token.Token)
	pool := newPool(t, p, cred)

	var refusal *pgconn.PgError
	require.ErrorAs(t, pool.Ping(t.Context()), &refusal)
	assert.Equal(t, "28P01", refusal.Code)
	require.NoError(t, pool.Ping(t.Context()))

	_, passwords := database.seen()
	require.Len(t, passwords, 2)
	assert.True(t, passwords[0] == token.Token)
	assert.Equal(t, 2, p.Exchanges())
}

func TestRefusalOfTheDatabase(t *testing.T) {
	p, database := newDatabase(t)
	database.verifier = p.Verifier("https://another.example")

	err := newPool(t, p, p.Credential()).Ping(t.Context())

	var refusal *pgconn.PgError
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, "28P01", refusal.Code)
	_, passwords := database.seen()
	assert.False(t, strings.Contains(err.Error(), passwords[0])) // NotContains would print it
}

func TestConnectionStringMustVerifyTheServer(t *testing.T) {
	for _, mode := range []string{"disable", "allow", "prefer", "require"} {
		_, err := postgres.Config("postgres://orders@"+host+"/shop?sslmode="+mode, nil)
		require.ErrorContains(t, err, "sslmode=verify-full", mode)
	}
	_, err := postgres.Config("postgres://orders@"+host+"/shop", nil)
	require.ErrorContains(t, err, "sslmode=verify-full")
	_, err = postgres.Config("postgres://:port/", nil)
	require.ErrorContains(t, err, "postgres: ")
}
