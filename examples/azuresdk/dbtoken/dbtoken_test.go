package dbtoken_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/examples/azuresdk/dbtoken"
	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
)

const scope = "https://ossrdbms-aad.database.windows.net/.default"

// A server that refuses every token must not cause an exchange per connection.
func TestRefusedTokenIsReplacedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pod.New()
		defer p.Close()
		source := &dbtoken.Source{Credential: p.Credential(), Scope: scope}
		connect := func() string {
			token, err := source.Token(t.Context())
			require.NoError(t, err)
			source.Refused(token.Token)
			return token.Token
		}

		first := connect()
		second := connect()
		for range 58 {
			time.Sleep(time.Second)
			require.True(t, connect() == second)
		}
		assert.Equal(t, 2, p.Exchanges())
		assert.False(t, first == second)

		time.Sleep(2 * time.Second)
		connect()
		third := connect()
		assert.False(t, second == third)
		assert.Equal(t, 3, p.Exchanges())
	})
}
