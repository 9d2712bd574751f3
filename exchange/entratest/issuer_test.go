package entratest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestDiscoveryOverTLS(t *testing.T) {
	for name, suffix := range map[string]string{"at the root": "", "with a slash": "/", "below a path": "/tenant/cluster/"} {
		t.Run(name, func(t *testing.T) {
			cluster := new(entratest.Cluster)
			web := httptest.NewTLSServer(cluster)
			defer web.Close()
			cluster.Issuer = web.URL + suffix
			c := clusterCredential()
			c.Issuer = cluster.Issuer
			s := entratest.Server{HTTPClient: web.Client()}
			require.NoError(t, s.Trust(c))
			assert.Zero(t, codeOf(t, &s, inCluster(t, cluster)))

			cluster.RotateKey()
			assert.Zero(t, codeOf(t, &s, inCluster(t, cluster)))
			cluster.SetUnavailable(true)
			assert.Equal(t, 90061, codeOf(t, &s, inCluster(t, cluster)))
		})
	}
}

func TestIssuerWithAnUntrustedCertificate(t *testing.T) {
	cluster := new(entratest.Cluster)
	web := httptest.NewTLSServer(cluster)
	defer web.Close()
	cluster.Issuer = web.URL
	c := clusterCredential()
	c.Issuer = cluster.Issuer
	var s entratest.Server
	require.NoError(t, s.Trust(c))
	reply, code, _ := sendForm(t, &s, tokenURL, inCluster(t, cluster))
	assert.Equal(t, 90061, code)
	assert.Contains(t, reply.Header.Get("X-Entratest-Cause"), "certificate", "the header says why")
}

func TestIssuerThatCannotBeReached(t *testing.T) {
	cluster := new(entratest.Cluster)
	web := httptest.NewTLSServer(cluster)
	cluster.Issuer = web.URL
	client := web.Client()
	web.Close()
	c := clusterCredential()
	c.Issuer = cluster.Issuer
	s := entratest.Server{HTTPClient: client}
	require.NoError(t, s.Trust(c))
	assert.Equal(t, 90061, codeOf(t, &s, inCluster(t, cluster)))
}

// Two keys with the same kid are the issuer's mistake. If neither verifies the token, the cause
// says so.
func TestSeveralKeysWithTheSameKid(t *testing.T) {
	s, a := trusting(t), goodAttempt(time.Now().Unix())
	a.issuer[jwksURL] = `{"keys":[` + anotherK1 + `,` + anotherK1 + `]}`
	reply, code, _ := a.send(t, s)
	assert.Equal(t, 7000274, code)
	assert.Contains(t, reply.Header.Get("X-Entratest-Cause"), `2 keys have the kid "k1"`)
}

func TestIssuerDocumentsAreBounded(t *testing.T) {
	s, a := trusting(t), goodAttempt(time.Now().Unix())
	a.issuer[jwksURL] += strings.Repeat(" ", 1<<20)
	_, code, _ := a.send(t, s)
	assert.Equal(t, 90061, code)
}

func TestContextThatEndsDuringDiscovery(t *testing.T) {
	s, a := trusting(t), goodAttempt(time.Now().Unix())
	ctx, cancel := context.WithCancel(t.Context())
	s.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		cancel()
		<-r.Context().Done()
		return nil, r.Context().Err()
	})}
	_, err := s.Do(post(t, a.form(t)).WithContext(ctx))
	assert.Equal(t, context.Canceled, err)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRotationTakesEffectAtOnceWithoutAKeyCache(t *testing.T) {
	var s entratest.Server
	var cluster entratest.Cluster
	require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
	before := inCluster(t, &cluster)
	cluster.RotateKey()
	after := inCluster(t, &cluster)
	assert.Zero(t, codeOf(t, &s, before))
	assert.Zero(t, codeOf(t, &s, after))
	cluster.DropOldKeys()
	assert.Equal(t, 7000272, codeOf(t, &s, before))
	assert.Zero(t, codeOf(t, &s, after))
}

func TestRotationWithAKeyCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.Server{KeyCache: 25 * time.Minute}
		var cluster entratest.Cluster
		require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
		before := inCluster(t, &cluster)
		assert.Zero(t, codeOf(t, &s, before))
		cluster.RotateKey()
		cluster.DropOldKeys()
		after := inCluster(t, &cluster)

		time.Sleep(25*time.Minute - time.Nanosecond)
		assert.Zero(t, codeOf(t, &s, before), "a removed key is still cached")
		assert.Zero(t, codeOf(t, &s, after), "an unknown key is fetched")
		assert.Equal(t, 7000272, codeOf(t, &s, before), "the fetch replaced all keys")

		cluster.SetUnavailable(true)
		assert.Zero(t, codeOf(t, &s, after), "cached keys outlast the issuer's outage")
		time.Sleep(25 * time.Minute)
		assert.Equal(t, 90061, codeOf(t, &s, after))
		cluster.SetUnavailable(false)
		assert.Zero(t, codeOf(t, &s, after), "failures are not cached")
	})
}
