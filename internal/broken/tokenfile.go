package broken

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"time"
	"unicode/utf16"

	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/exchange/entratest"
)

var tokenFiles = []Setup{
	{
		Name: "token-file-missing", About: "the token's volume is not mounted in this container",
		Words: []string{".missing", "volume is mounted"},
		Break: func(p *Pod) error {
			p.Env[envTokenFile] += ".missing"
			return nil
		},
	},
	{
		Name: "token-file-is-directory", About: "the variable names the volume instead of the file in it",
		Words: []string{"is a directory: give the path of a regular file"},
		Break: func(p *Pod) error {
			p.Env[envTokenFile] = filepath.Dir(p.Env[envTokenFile])
			return nil
		},
	},
	{
		Name: "token-file-empty", About: "the token's file is empty: a copy failed",
		Words: []string{"not a JSON Web Token: it is empty"}, Break: written(""),
	},
	{
		Name: "token-file-garbage", About: "the token's file holds something else",
		Words: []string{"not a JSON Web Token", "segments where a JWT has 3"}, Break: written("hunter2hunter2\n"),
	},
	{
		Name: "token-file-utf16", About: "the token was copied by a shell that writes UTF-16",
		Words: []string{"it is UTF-16 text; write it as UTF-8"},
		Break: func(p *Pod) error { return p.write(inUTF16(p.Volume.Token())) },
	},
	{
		Name: "token-as-path", About: "the variable holds the token instead of its file's path",
		Words: []string{"a token was given as the path", "give the path of the file"},
		Break: func(p *Pod) error {
			p.Env[envTokenFile] = p.Volume.Token()
			return nil
		},
	},
	{
		Name: "token-file-stale", About: "the token's file is mounted with subPath, and nobody renews it",
		Words: []string{"the token has expired: at ", " ago", "subPath"},
		Break: mounted(func(r *entratest.TokenRequest) { r.Lifetime = -time.Hour }),
	},
	{
		Name: "token-file-late", About: "the token's file is renewed minutes after the token expires, longer than Entra ID forgives", Code: 700024,
		Words: []string{"federated token expired 5m", "and nothing renewed it", "subPath", "virtual nodes"},
		Break: func(p *Pod) error {
			p.Entra.ClockSkew = 90 * time.Second // clocks may differ that much; the file itself forgives five minutes, too
			return mounted(func(r *entratest.TokenRequest) { r.Lifetime = -4 * time.Minute })(p)
		},
	},
	{
		Name: "token-from-secret", About: "the token is from a Secret of the service account, as before Kubernetes 1.24", Code: 700211,
		Words: []string{"token is from a Secret of a service account", "serviceAccountToken volume"},
		Break: claimed(func(c jwt.MapClaims) {
			c["iss"] = "kubernetes/serviceaccount"
			for _, claim := range []string{"aud", "iat", "nbf", "exp"} {
				delete(c, claim)
			}
		}),
	},
	{
		Name: "token-with-odd-claim", About: "the token was made by hand: its subject is a number", Code: 50027,
		Words: []string{"federated token", "each claim of its own type"},
		Break: claimed(func(c jwt.MapClaims) { c["sub"] = 5 }),
	},
	{
		Name: "app-instead-of-managed-identity", About: "the token is an app registration's, where only a managed identity's will do", Code: 700226,
		Words: []string{"federated token is Entra ID's own, but not a managed identity's", "user-assigned managed identity"},
		Break: both(registered(fromEntra(objectID)), claimed(func(c jwt.MapClaims) {
			managedIdentity(c)
			delete(c, "xms_mirid")
		})),
	},
	{
		Name: "user-instead-of-managed-identity", About: "the token is a user's, where only a managed identity's will do", Code: 700229,
		Words: []string{"federated token is a user's", "user-assigned managed identity"},
		Break: both(registered(fromEntra(objectID)), claimed(func(c jwt.MapClaims) {
			managedIdentity(c)
			delete(c, "xms_mirid")
			c["idtyp"], c["scp"] = "user", "user_impersonation"
		})),
	},

	{
		Name: "assertion-kept", About: "Options.Assertion returns a token that the program got once and kept", Code: 700024,
		Words: []string{"federated token from Options.Assertion expired 1h0m", "return a new token at each call"},
		Break: func(p *Pod) error {
			request := account()
			request.Lifetime = -time.Hour
			token, err := p.Cluster.Token(request)
			p.asserting(token)
			return err
		},
	},
	{
		Name: "assertion-garbage", About: "Options.Assertion returns something else than a token", Code: 50027,
		Words: []string{"what came from Options.Assertion is not a JSON Web Token", "three parts in base64url"},
		Break: func(p *Pod) error {
			p.asserting("hunter2hunter2")
			return nil
		},
	},
	{
		Name: "assertion-empty", About: "Options.Assertion returns nothing, and no error",
		Words: []string{"Options.Assertion returned an empty token"},
		Break: func(p *Pod) error {
			p.asserting("")
			return nil
		},
	},
	{
		Name: "assertion-failing", About: "what Options.Assertion asks is not there",
		Words: []string{"Options.Assertion: ", "agent.sock"},
		Break: func(p *Pod) error {
			p.Options.Assertion = func(context.Context) (string, error) {
				text, err := os.ReadFile(filepath.Join(p.dir, "agent.sock"))
				return string(text), err
			}
			return nil
		},
	},
}

// asserting makes the program hand over a token of its own, as it is.
func (p *Pod) asserting(token string) {
	p.Options.Assertion = func(context.Context) (string, error) { return token, nil }
}

// inUTF16 encodes as the older PowerShells do by default.
func inUTF16(text string) string {
	encoded := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		encoded = binary.LittleEndian.AppendUint16(encoded, unit)
	}
	return string(encoded)
}
