package exchange_test

import (
	"encoding/base64"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
)

const challenge = `{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}`

// claimsSent returns the claims parameter and whether it was sent.
func claimsSent(t testing.TB, claims string, enableCAE bool) (string, bool) {
	t.Helper()
	r := request()
	r.Claims, r.EnableCAE = claims, enableCAE
	_, text := sent(t, &exchange.ClientOptions{}, r)
	form, err := url.ParseQuery(text)
	require.NoError(t, err)
	return form.Get("claims"), form.Has("claims")
}

func TestClaims(t *testing.T) {
	const cae = `{"access_token":{"xms_cc":{"values":["CP1"]}}}`
	for name, row := range map[string]struct {
		claims string
		cae    bool
		want   string
	}{
		"CAE":                       {"", true, cae},
		"challenge":                 {challenge, false, challenge},
		"both":                      {challenge, true, `{"access_token":{"nbf":{"essential":true,"value":"1604106651"},"xms_cc":{"values":["CP1"]}}}`},
		"empty challenge":           {`{}`, true, cae},
		"only other members":        {`{"id_token":{"a":null}}`, true, `{"id_token":{"a":null},"access_token":{"xms_cc":{"values":["CP1"]}}}`},
		"null access_token":         {`{"access_token":null}`, true, cae},
		"null xms_cc":               {`{"access_token":{"xms_cc":null}}`, true, cae},
		"null values":               {`{"access_token":{"xms_cc":{"values":null}}}`, true, cae},
		"other capability":          {`{"access_token":{"xms_cc":{"values":["ProtApp"]}}}`, true, `{"access_token":{"xms_cc":{"values":["ProtApp","CP1"]}}}`},
		"odd capability":            {`{"access_token":{"xms_cc":{"values":[1,null]}}}`, true, `{"access_token":{"xms_cc":{"values":[1,null,"CP1"]}}}`},
		"has cp1":                   {`{"access_token":{"xms_cc":{"values":["cp1"]}}}`, true, `{"access_token":{"xms_cc":{"values":["cp1"]}}}`},
		"has Cp1 and another":       {`{"access_token":{"xms_cc":{"values":["x","Cp1"]}}}`, true, `{"access_token":{"xms_cc":{"values":["x","Cp1"]}}}`},
		"essential kept":            {`{"access_token":{"xms_cc":{"essential":true}}}`, true, `{"access_token":{"xms_cc":{"essential":true,"values":["CP1"]}}}`},
		"surrounded by white space": {" \n" + challenge + "\n", false, challenge},
		"not an object, no CAE":     {`{"access_token":5}`, false, `{"access_token":5}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := claimsSent(t, row.claims, row.cae)
			assert.JSONEq(t, row.want, got)
		})
	}
}

func TestNoClaimsNoParameter(t *testing.T) {
	_, ok := claimsSent(t, "", false)
	assert.False(t, ok)
}

func TestChallengeAloneGoesOutVerbatim(t *testing.T) {
	const odd = ` { "access_token" : {"a":1.0e+2,"b":"\u003c<"} } `
	got, _ := claimsSent(t, odd, false)
	assert.Equal(t, odd, got)
}

func TestNumbersOfAChallengeAreKept(t *testing.T) {
	got, _ := claimsSent(t, `{"access_token":{"nbf":{"value":12345678901234567890123,"x":1.10,"y":1e400}}}`, true)
	for _, number := range []string{"12345678901234567890123", "1.10", "1e400"} {
		assert.Contains(t, got, number)
	}
}

func TestClaimsThatConflict(t *testing.T) {
	for claims, member := range map[string]string{
		`{"access_token":[]}`:                                "access_token",
		`{"access_token":"x"}`:                               "access_token",
		`{"access_token":false}`:                             "access_token",
		`{"access_token":{"xms_cc":["cp1"]}}`:                "xms_cc",
		`{"access_token":{"xms_cc":0}}`:                      "xms_cc",
		`{"access_token":{"xms_cc":{"values":"cp1"}}}`:       "xms_cc.values",
		`{"access_token":{"xms_cc":{"values":{"a":"cp1"}}}}`: "xms_cc.values",
	} {
		r := request()
		r.Claims, r.EnableCAE = claims, true
		text := unsent(t, r)
		assert.Contains(t, text, "EnableCAE")
		assert.Contains(t, text, member)
	}
}

func TestClaimsThatAreNoObject(t *testing.T) {
	for _, cae := range []bool{false, true} {
		for _, claims := range []string{"{", "null", "true", "[]", `"x"`, "12", "x", " ", challenge + "x", challenge + challenge, "{'a':1}", "\x00"} {
			r := request()
			r.Claims, r.EnableCAE = claims, cae
			text := unsent(t, r)
			assert.Contains(t, text, "Claims is not a JSON object", claims)
			assert.NotContains(t, text, "base64", "%q is not", claims)
		}
	}
}

func TestClaimsInBase64GetAHint(t *testing.T) {
	const odd = `{"access_token":{"x":"~~~???>>>"}}`
	for _, plain := range []string{challenge, odd, odd + " ", odd + "  "} {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			r := request()
			r.Claims = encoding.EncodeToString([]byte(plain))
			text := unsent(t, r)
			assert.Contains(t, text, "base64")
			assert.Contains(t, text, "decode")
		}
	}
}
