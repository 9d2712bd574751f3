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

	"github.com/entrafed/entrafed/internal/redact"
)

// maxLifetime bounds what a reply may say of a token's lifetime. Entra ID's longest, for continuous access evaluation, is
// 28 hours; a reply that says more is a mistake, and must not make a token that looks valid for ever.
const maxLifetime = 48 * time.Hour

// readReply makes a token or an error of the reply to a request sent at sent.
func readReply(resp *http.Response, sent time.Time, secrets redact.Redactor) (azcore.AccessToken, error) {
	body, err := runtime.Payload(resp)
	if err != nil {
		return azcore.AccessToken{}, unreadable(resp, err, secrets)
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	var reply members
	_ = json.Unmarshal(body, &reply) // leaves nil where there is no object
	if reply.has("error") || resp.StatusCode != http.StatusOK || reply == nil {
		return azcore.AccessToken{}, newError(resp, reply, body, secrets)
	}
	token, problem := reply.token(sent)
	if problem != "" {
		e := newError(resp, nil, nil, secrets)
		e.problem = problem
		return azcore.AccessToken{}, e
	}
	return token, nil
}

// members are those of a JSON object. One of an unexpected type is as good as absent.
type members map[string]json.RawMessage

// has tells whether a member says anything, of whatever type.
func (m members) has(name string) bool {
	switch string(m[name]) {
	case "", "null", `""`:
		return false
	}
	return true
}

// text returns a member that is a string.
func (m members) text(name string) string {
	var s string
	if json.Unmarshal(m[name], &s) != nil {
		return ""
	}
	return s
}

// lifetime returns a member that is a number of seconds, bounded: as a number, which Entra ID sends, or as a string, which
// other endpoints of Microsoft's do.
func (m members) lifetime(name string) (time.Duration, bool) {
	seconds, err := strconv.ParseFloat(strings.Trim(string(m[name]), `"`), 64)
	if errors.Is(err, strconv.ErrRange) {
		err = nil // infinity, of either sign, which is bounded below
	} else if math.IsInf(seconds, 0) || math.IsNaN(seconds) {
		return 0, false // the words
	}
	if err != nil {
		return 0, false
	}
	return time.Duration(max(math.MinInt32, min(seconds, maxLifetime.Seconds())) * float64(time.Second)), true
}

// token returns the reply's token, or what is wrong with it. It never quotes the reply: a mistake in one member does not make
// the others less secret.
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
	sent = sent.Round(0).UTC() // the wall clock counts: a machine may sleep
	token.ExpiresOn = sent.Add(expiresIn)
	if refreshIn, ok := m.lifetime("refresh_in"); ok && refreshIn > 0 && refreshIn < expiresIn {
		token.RefreshOn = sent.Add(refreshIn)
	}
	return token, ""
}
