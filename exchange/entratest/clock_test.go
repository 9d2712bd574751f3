package entratest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

func TestServerJudgesByItsOwnClock(t *testing.T) {
	for skew, want := range map[time.Duration]int{
		0:                                       0,
		time.Hour + 5*time.Minute:               0,
		time.Hour + 5*time.Minute + time.Second: 700024, // the token lives for an hour
		-5 * time.Minute:                        0,
		-5*time.Minute - time.Second:            700024, // not valid yet
	} {
		synctest.Test(t, func(t *testing.T) {
			s := entratest.Server{ClockSkew: skew}
			var cluster entratest.Cluster
			require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
			_, code, body := sendForm(t, &s, tokenURL, inCluster(t, &cluster))
			assert.Equal(t, want, code, "%s: %s", skew, body)
		})
	}
}

func TestClockSkewAffectsEveryReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.Server{ClockSkew: -30 * time.Minute}
		there := time.Now().Add(-30 * time.Minute).UTC()
		reply, body := do(t, &s, post(t, validForm(t)))
		assert.Equal(t, there.Format(http.TimeFormat), reply.Header.Get("Date"))
		keys := fetchKeys(t, &s, "https://login.microsoftonline.com/common/discovery/v2.0/keys")
		claims := verify(t, decode[tokenReply](t, body).AccessToken, keys)
		assert.EqualValues(t, there.Unix(), claims["iat"])
		assert.EqualValues(t, there.Unix()+3599, claims["exp"])

		reply, body = do(t, &s, post(t, with(validForm(t), "scope", "no")))
		assert.Equal(t, there.Format(http.TimeFormat), reply.Header.Get("Date"))
		assert.Equal(t, there.Format("2006-01-02 15:04:05Z"), decode[errorReply](t, body).Timestamp)
		s.SetReply(new(entratest.Refuse(90033)))
		reply, _ = do(t, &s, post(t, validForm(t)))
		assert.Equal(t, there.Format(http.TimeFormat), reply.Header.Get("Date"))
	})
}

// Durations are measured with the real clock.
func TestClockSkewDoesNotAffectDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.Server{PropagationDelay: time.Minute, KeyCache: time.Minute}
		var cluster entratest.Cluster
		require.NoError(t, s.TrustCluster(&cluster, clusterCredential()))
		form := inCluster(t, &cluster)
		s.ClockSkew = 4 * time.Minute
		assert.Equal(t, 70025, codeOf(t, &s, form))
		time.Sleep(time.Minute)
		s.ClockSkew = -4 * time.Minute
		assert.Zero(t, codeOf(t, &s, form))
		cluster.SetUnavailable(true)
		s.ClockSkew = 4 * time.Minute
		assert.Zero(t, codeOf(t, &s, form), "the keys are cached")
		time.Sleep(time.Minute)
		assert.Equal(t, 90061, codeOf(t, &s, form))
	})
}
