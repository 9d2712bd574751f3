package kubernetes_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/tokenfile"
)

func TestNextExchangePresentsTheNewToken(t *testing.T) {
	w := newWorkload(t)
	m := w.mount(t, tokenVolume)
	e := newEntra(t, w)
	c := e.credential(t, m.path())

	signIn(t, c)
	second := m.refresh(t).Status.Token
	signIn(t, c)
	third := m.refresh(t).Status.Token
	signIn(t, c)

	presented := e.assertions(t)
	require.Len(t, presented, 3)
	assert.NotEqual(t, presented[0], second)
	assert.Equal(t, []string{second, third}, presented[1:])
}

// A reader must see the old or the new token during the kubelet's swap.
func TestReadersSeeOneOfTheTokensDuringTheSwap(t *testing.T) {
	m := newWorkload(t).mount(t, tokenVolume)
	tokens := []string{m.request(t).Status.Token, m.refresh(t).Status.Token}
	source := tokenfile.New(m.path())

	stop, failed := make(chan struct{}), make(chan error, 1)
	reads := 0
	go func() {
		defer close(failed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			token, err := source.Assertion(t.Context())
			if err != nil {
				failed <- err
				return
			}
			if !slices.Contains(tokens, token) {
				t.Error("read neither of the two tokens")
			}
			reads++
		}
	}()
	for i := range 300 {
		m.write(t, tokens[i%2])
		time.Sleep(time.Millisecond) // a kubelet would wait minutes
	}
	close(stop)
	require.NoError(t, <-failed)
	assert.Positive(t, reads)
}
