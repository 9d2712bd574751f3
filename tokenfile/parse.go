package tokenfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Parse decodes raw, a signed JSON Web Token in compact form (RFC 7515, section 3.1) with nothing
// around it. It accepts any algorithm, and verifies neither the signature nor the times.
//
// Its error is an [ErrMalformed] that names the wrong part and never quotes raw. It is wrong if raw
// does not have three segments, if header or claims are not a JSON object in base64url, if the
// signature is empty or not base64url, if a claim in [Token] has the wrong type, or if a time is
// outside the years 0 to 9999.
//
// Parse is safe for concurrent use. It takes time linear in the length of raw, which it does not
// limit.
func Parse(raw string) (Token, error) {
	token, err := parse(raw)
	if err != nil {
		return Token{}, fmt.Errorf("tokenfile: %w", err)
	}
	return token, nil
}

// parse is Parse without the package name in the error. It replaces golang-jwt's errors, which
// quote the input.
func parse(raw string) (Token, error) {
	if raw == "" {
		return Token{}, malformed("it is empty")
	}
	if n := strings.Count(raw, ".") + 1; n != 3 {
		return Token{}, malformed("a JWT has 3 segments, and it has %d", n)
	}
	if strings.ContainsAny(raw, "\r\n") { // encoding/base64 skips these
		return Token{}, malformed("it contains a line break")
	}
	parser, claims := jwt.NewParser(), &claims{}
	// The error may be an unknown alg, found after everything except the signature was decoded.
	// Entra ID judges that.
	decoded, segments, _ := parser.ParseUnverified(raw, claims)
	_, err := parser.DecodeSegment(segments[2])
	switch {
	case decoded.Header == nil:
		return Token{}, malformed("its header is not a JSON object in base64url")
	case claims.MapClaims == nil:
		return Token{}, malformed("its claims are not a JSON object in base64url")
	case segments[2] == "":
		return Token{}, malformed("its signature is empty")
	case err != nil:
		return Token{}, malformed("its signature is not base64url")
	}
	return newToken(decoded.Header, claims.MapClaims)
}

// claims stays nil until a JSON object was decoded. It keeps numbers as text, to tell a number that
// is out of range from invalid JSON.
type claims struct{ jwt.MapClaims }

func (c *claims) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(&c.MapClaims)
}

// newToken copies header and claims. A member of the wrong type stays zero; the error names the
// first one.
func newToken(header, claims map[string]any) (Token, error) {
	const seconds = "a number of seconds within the years 0 to 9999"
	var t Token
	var err error
	for _, member := range []struct {
		of   map[string]any
		name string
		into func(any) bool
		want string
	}{
		{header, "alg", into(&t.Algorithm), "a string"},
		{header, "kid", into(&t.KeyID), "a string"},
		{claims, "iss", into(&t.Issuer), "a string"},
		{claims, "sub", into(&t.Subject), "a string"},
		{claims, "aud", intoStrings(&t.Audience), "a string or an array of strings"},
		{claims, "iat", intoTime(&t.IssuedAt), seconds},
		{claims, "nbf", intoTime(&t.NotBefore), seconds},
		{claims, "exp", intoTime(&t.Expiry), seconds},
		{claims, "jti", into(&t.ID), "a string"},
		{claims, "kubernetes.io", intoStruct(&t.Kubernetes), "an object as Kubernetes writes it"},
	} {
		if value := member.of[member.name]; value != nil && !member.into(value) && err == nil {
			err = fmt.Errorf("%w%w", malformed("its %s is not %s", member.name, member.want), errClaim)
		}
	}
	return t, err
}

func into[T any](target *T) func(any) bool {
	return func(value any) (ok bool) {
		*target, ok = value.(T)
		return ok
	}
}

func intoStrings(target *[]string) func(any) bool {
	return func(value any) bool {
		if one, ok := value.(string); ok {
			*target = []string{one}
			return true
		}
		return intoStruct(target)(value)
	}
}

// intoStruct converts by way of JSON, which knows the field names.
func intoStruct[T any](target *T) func(any) bool {
	return func(value any) bool {
		data, err := json.Marshal(value)
		return err == nil && json.Unmarshal(data, target) == nil
	}
}

// The range of years that RFC 3339, and so JSON, can represent: 0 to 9999.
var (
	minSeconds = float64(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).Unix())
	endSeconds = float64(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).Unix())
)

// intoTime reads a NumericDate (RFC 7519, section 2), which may have a fraction. It rounds to the
// microsecond, which is about the precision of a float64 for present-day times.
func intoTime(target *time.Time) func(any) bool {
	return func(value any) bool {
		number, _ := value.(json.Number)
		seconds, err := number.Float64()
		if err != nil || seconds < minSeconds || seconds >= endSeconds {
			return false
		}
		whole, fraction := math.Modf(seconds)
		*target = time.Unix(int64(whole), int64(fraction*1e9)).Round(time.Microsecond).UTC()
		return true
	}
}
