package bench

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const bombSize = 256 << 20

// packed is a reply that is small on the wire and large in memory: an endless JSON string.
var packed = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	chunk := bytes.Repeat([]byte("A"), 1<<20)
	_, _ = z.Write([]byte(`{"access_token":"`))
	for range bombSize / len(chunk) {
		_, _ = z.Write(chunk) // a write to memory cannot fail
	}
	_ = z.Close()
	return b.Bytes()
})

var bomb = situation{
	title: "256 MiB gzip bomb", goal: "bounded",
	onlySignIn: true,
	run: func(t *testing.T, c candidate) outcome {
		body := packed()
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(body)
		})
		client := overTLS(t, map[string]http.Handler{entraHost: instead(new(entratest.Server), handler)})
		cred := c.open(t, at(t, client))
		peak, allocated := peakHeap(func() {
			_, err := timed(t.Context(), cred, vault)
			require.Error(t, err)
		})
		return outcome{fmt.Sprintf("heap %s up, %s allocated", bytesText(peak), bytesText(allocated)), float64(allocated)}
	},
	check: func(t *testing.T, us, them outcome) {
		require.Less(t, us.cost, float64(bombSize)/4)
		require.Greater(t, them.cost, 10*us.cost)
	},
}
