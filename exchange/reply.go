package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// maxLifetime bounds a token's lifetime. Entra ID's longest, for continuous access evaluation, is
// 28 hours. A reply that claims more is wrong, and must not yield a token that looks valid for
// ever.
const maxLifetime = 48 * time.Hour

// read turns a reply into a token or an error. A non-nil err is why the pipeline could not read the
// reply.
func (try *attempt) read(resp *http.Response, err error) (azcore.AccessToken, error) {
	var body []byte
	if err == nil {
		body, err = runtime.Payload(resp)
	}
	if err != nil {
		return azcore.AccessToken{}, try.unreadable(resp, err)
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	var reply members
	_ = json.Unmarshal(body, &reply) // reply stays nil if body is not an object
	if reply.has("error") || resp.StatusCode != http.StatusOK || reply == nil {
		return azcore.AccessToken{}, try.refusal(resp, reply, body)
	}
	token, problem := reply.token(try.sent)
	if problem != "" {
		e := try.refusal(resp, nil, nil)
		e.problem = problem
		return azcore.AccessToken{}, e
	}
	return token, nil
}

// members are the members of a JSON object. A member of an unexpected type counts as absent.
type members map[string]json.RawMessage

// has reports whether a member of any type is present and not empty.
func (m members) has(name string) bool {
	switch string(m[name]) {
	case "", "null", `""`:
		return false
	}
	return true
}

// text returns a string member.
func (m members) text(name string) string {
	var s string
	if json.Unmarshal(m[name], &s) != nil {
		return ""
	}
	return s
}

// lifetime returns a member that is a number of seconds, bounded. Entra ID sends a number; other
// Microsoft endpoints send a string.
func (m members) lifetime(name string) (time.Duration, bool) {
	seconds, err := strconv.ParseFloat(strings.Trim(string(m[name]), `"`), 64)
	if errors.Is(err, strconv.ErrRange) {
		err = nil // ±Inf, bounded below
	} else if math.IsInf(seconds, 0) || math.IsNaN(seconds) {
		return 0, false // the literals "inf" and "nan"
	}
	if err != nil {
		return 0, false
	}
	return time.Duration(max(math.MinInt32, min(seconds, maxLifetime.Seconds())) * float64(time.Second)), true
}

// token returns the reply's token, or what is wrong with it. It never quotes the reply: one bad
// member does not make the others less secret.
func (m members) token(sent time.Time) (token azcore.AccessToken, problem string) {
	expiresIn, ok := m.lifetime("expires_in")
	token.Token = m.text("access_token")
	switch {
	case token.Token == "":
		return token, "it has no access_token"
	case strings.ContainsFunc(token.Token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return token, "its access_token has characters that no header could carry"
	case m.has("token_type") && !strings.EqualFold(m.text("token_type"), "Bearer"):
		return token, "its token_type is not Bearer"
	case !ok:
		return token, "its expires_in is missing or not a number"
	case expiresIn <= 0:
		return token, "its expires_in is not positive"
	}
	sent = sent.Round(0).UTC() // use the wall clock, because a machine may sleep
	token.ExpiresOn = sent.Add(expiresIn)
	if refreshIn, ok := m.lifetime("refresh_in"); ok && refreshIn > 0 && refreshIn < expiresIn {
		token.RefreshOn = sent.Add(refreshIn)
	}
	return token, ""
}
