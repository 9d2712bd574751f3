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

			require.NoError(t, cluster.RotateKey())
			assert.Zero(t, codeOf(t, &s, inCluster(t, cluster)))
			cluster.SetUnavailable(true)
			assert.Equal(t, 90061, codeOf(t, &s, inCluster(t, cluster)))
		})
	}
}

func TestIssuerThatTheSystemDoesNotTrust(t *testing.T) {
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
	assert.Contains(t, reply.Header.Get("X-Entratest-Cause"), "certificate", "the test's author is told why")
}

func TestIssuerThatIsGone(t *testing.T) {
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

func TestDocumentsAreBounded(t *testing.T) {
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

func TestRotationCountsAtOnceWithoutAKeyCache(t *testing.T) {
	var s entratest.Server
	var cluster entratest.Cluster
	require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
	before := inCluster(t, &cluster)
	require.NoError(t, cluster.RotateKey())
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
		require.NoError(t, cluster.RotateKey())
		cluster.DropOldKeys()
		after := inCluster(t, &cluster)

		time.Sleep(25*time.Minute - time.Nanosecond)
		assert.Equal(t, 7000272, codeOf(t, &s, after), "the new key is not known yet")
		assert.Zero(t, codeOf(t, &s, before), "the old one still is")
		time.Sleep(time.Nanosecond)
		assert.Zero(t, codeOf(t, &s, after))
		assert.Equal(t, 7000272, codeOf(t, &s, before))

		cluster.SetUnavailable(true)
		assert.Zero(t, codeOf(t, &s, after), "kept keys outlast an outage of the issuer")
		time.Sleep(25 * time.Minute)
		assert.Equal(t, 90061, codeOf(t, &s, after))
		cluster.SetUnavailable(false)
		assert.Zero(t, codeOf(t, &s, after), "a failure is not kept")
	})
}
