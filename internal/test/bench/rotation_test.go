package bench

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// rotation measures a federated token that Entra ID no longer accepts, for example because it
// expired or the cluster's keys changed. Its successor is already in the file.
var rotation = situation{
	title: "file rotated, old assertion refused: refusals for", goal: "0 s: the next exchange succeeds",
	virtual: true, onlySignIn: true,
	run: func(t *testing.T, c candidate) outcome {
		file := project(t)
		entra := new(picky)
		cred := queued(c, c.open(t, place{transport: entra, file: file.Path()}))
		get(t, cred, vault)
		entra.refused = file.Token()
		require.NoError(t, file.Rotate())
		start := time.Now()
		for i := 0; ; i++ {
			// Each round uses another scope, so that remembered failures play no part.
			if _, err := timed(t.Context(), cred, numbered(i)); err == nil {
				break
			}
			require.Less(t, time.Since(start), time.Hour)
			time.Sleep(time.Second)
		}
		return outcome{short(time.Since(start)), time.Since(start).Seconds()}
	},
	check: func(t *testing.T, us, _ outcome) { require.Zero(t, us.cost) },
}

// picky is an Entra ID that refuses one assertion.
type picky struct {
	entra   entratest.Server
	refused string
}

func (p *picky) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return p.entra.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close()
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	if p.refused != "" && form.Get("client_assertion") == p.refused {
		p.entra.Enqueue(entratest.Refuse(700024)) // not within its valid time range
	}
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	return p.entra.Do(copied)
}
