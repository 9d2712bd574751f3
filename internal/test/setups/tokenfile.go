package setups

import (
	"context"
	"encoding/binary"
	"os"
	"path"
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
			file := p.Env[envTokenFile]
			p.Env[envTokenFile] = file[len(filepath.VolumeName(file)):] + ".missing" // without a drive, as the webhook's on Windows
			return nil
		},
	},
	{
		Name: "token-file-is-directory", About: "the variable names the volume instead of the file in it",
		Words: []string{"is a directory: give the path of a regular file"},
		Break: func(p *Pod) error {
			p.Env[envTokenFile] = path.Dir(p.Env[envTokenFile])
			return nil
		},
	},
	{
		Name: "token-file-empty", About: "the token's file is empty: a copy failed",
		Words: []string{"not a JSON Web Token: it is empty"}, Break: written(""),
	},
	{
		Name: "token-file-garbage", About: "the token's file does not hold a token",
		Words: []string{"not a JSON Web Token", "a JWT has 3 segments, and it has "}, Break: written("hunter2hunter2\n"),
	},
	{
		Name: "token-file-utf16", About: "the token was copied by a shell that writes UTF-16",
		Words: []string{"it is UTF-16 text; write it as UTF-8"},
		Break: func(p *Pod) error { return p.write(inUTF16(p.Projection.Token())) },
	},
	{
		Name: "token-file-relative", About: "the variable holds a relative path, and the program runs in another directory",
		Words: []string{"the path is relative, and the working directory is ", "give an absolute one"},
		Break: with(envTokenFile, "secrets/token"),
	},
	{
		Name: "token-file-stale", About: "the token's file is mounted with subPath, and nothing renews it",
		Words: []string{"the token has expired: at ", " ago", "subPath"},
		Break: mounted(func(r *entratest.TokenRequest) { r.Lifetime = -time.Hour }),
	},
	{
		Name: "token-file-late", About: "the token's file is renewed minutes after the token expires, later than Entra ID tolerates", Code: 700024,
		Words: []string{"federated token expired 5m", "and nothing renewed it", "subPath", "virtual nodes"},
		Break: func(p *Pod) error {
			// Reading the file tolerates five minutes, and clocks plausibly differ by 90 seconds.
			p.Entra.ClockSkew = 90 * time.Second
			return mounted(func(r *entratest.TokenRequest) { r.Lifetime = -4 * time.Minute })(p)
		},
	},
	{
		Name: "token-from-secret", About: "the token is from a Secret of the service account, as before Kubernetes 1.24", Code: 700211,
		Words: []string{"token comes from a service account's Secret", "serviceAccountToken volume"},
		Break: claimed(func(c jwt.MapClaims) {
			c["iss"] = "kubernetes/serviceaccount"
			for _, claim := range []string{"aud", "iat", "nbf", "exp"} {
				delete(c, claim)
			}
		}),
	},
	{
		Name: "token-with-odd-claim", About: "the token was made by hand: its subject is a number", Code: 50027,
		Words: []string{"federated token", "each claim of the right type"},
		Break: claimed(func(c jwt.MapClaims) { c["sub"] = 5 }),
	},
	{
		Name: "token-header-with-member", About: "a custom issuer adds a header member that Entra ID does not accept", Code: 5002726,
		Words: []string{"the federated token's header has a member other than typ, alg, kid, x5t and x5c", "have the token's issuer leave it out"},
		Break: headed("gty", []string{"authorization_code"}),
	},
	{
		Name: "token-is-access-token", About: "a custom issuer's token has the type of an access token", Code: 5002727,
		Words: []string{"a typ other than JWT, such as at+jwt", "write JWT, or leave typ out"},
		Break: headed("typ", "at+jwt"),
	},
	{
		Name: "token-code-of-tomorrow", About: "Entra ID refuses the token itself with a code that is not yet known", Code: 5002799,
		Words: []string{"Entra ID does not accept the federated token's header, claims or signature", "what issues the token"},
		Break: refused(5002799),
	},
	{
		Name: "app-instead-of-managed-identity", About: "the token is an app registration's, but only a managed identity's is accepted", Code: 700226,
		Words: []string{"Entra ID issued the federated token, but not to a managed identity", "user-assigned managed identity"},
		Break: both(registered(fromEntra(objectID)), claimed(func(c jwt.MapClaims) {
			managedIdentity(c)
			delete(c, "xms_mirid")
		})),
	},
	{
		Name: "user-instead-of-managed-identity", About: "the token is a user's, but only a managed identity's is accepted", Code: 700229,
		Words: []string{"federated token belongs to a user", "user-assigned managed identity"},
		Break: both(registered(fromEntra(objectID)), claimed(func(c jwt.MapClaims) {
			managedIdentity(c)
			delete(c, "xms_mirid")
			c["idtyp"], c["scp"] = "user", "user_impersonation"
		})),
	},

	{
		Name: "assertion-kept", About: "Options.Assertion returns a token that the program stored", Code: 700024,
		Words: []string{"federated token from Options.Assertion expired 1h0m", "return a new token on each call"},
		Break: func(p *Pod) error {
			request := account()
			request.Lifetime = -time.Hour
			token, err := p.Cluster.Token(request)
			p.asserting(token)
			return err
		},
	},
	{
		Name: "assertion-garbage", About: "Options.Assertion does not return a token", Code: 50027,
		Words: []string{"the federated token from Options.Assertion is not a readable JSON Web Token", "three base64url parts"},
		Break: func(p *Pod) error {
			p.asserting("hunter2hunter2")
			return nil
		},
	},
	{
		Name: "assertion-empty", About: "Options.Assertion returns neither a token nor an error",
		Words: []string{"Options.Assertion returned an empty token"},
		Break: func(p *Pod) error {
			p.asserting("")
			return nil
		},
	},
	{
		Name: "assertion-failing", About: "the source that Options.Assertion reads does not exist",
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

// asserting makes the program pass the token through Options.Assertion.
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
