package exchange_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// echoes are the ways in which a reply may quote the assertion.
var echoes = map[string]string{
	"whole":      assertion,
	"signature":  signature,
	"header":     assertion[:strings.IndexByte(assertion, '.')],
	"piece":      signature[100:112],
	"middle":     assertion[40:60],
	"end":        assertion[len(assertion)-12:],
	"lower case": strings.ToLower(signature),
	"quoted":     "'" + assertion + "'",
	"in a URL":   "https://h.example/?client_assertion=" + url.QueryEscape(assertion) + "&x=y",
	"split":      signature[:60] + "\r\n" + signature[60:],
	"glued":      "x=" + signature[100:112] + "==",
	"late":       strings.Repeat("word ", 400) + assertion,
	"clipped":    strings.Repeat("x ", 95) + assertion,
}

func TestEchoInAMember(t *testing.T) {
	for name, echo := range echoes {
		for _, member := range []string{"error", "error_description", "suberror", "claims", "trace_id", "correlation_id", "timestamp", "error_uri", "error_codes"} {
			for _, status := range []int{200, 400} {
				t.Run(fmt.Sprint(name, "/", member, "/", status), func(t *testing.T) {
					text, err := json.Marshal(map[string]string{"error": "invalid_client", member: "You sent " + echo + " to us"})
					require.NoError(t, err)
					_, err = do(t, always(status, "application/json", string(text)))
					require.Error(t, err)
					assertNoSecretIn(t, err)
					if len(echo) < 1500 {
						assert.Less(t, len(err.Error()), 1024)
					}
				})
			}
		}
	}
}

func TestEchoInABody(t *testing.T) {
	for name, echo := range echoes {
		for _, contentType := range []string{"text/html", "text/plain", "application/json", ""} {
			for _, status := range []int{200, 201, 302, 400, 407, 500} {
				t.Run(fmt.Sprint(name, "/", contentType, "/", status), func(t *testing.T) {
					_, err := do(t, always(status, contentType, "<p>You sent "+echo+"</p>"))
					require.Error(t, err)
					assertNoSecretIn(t, err)
					assert.Less(t, len(err.Error()), 1024)
				})
			}
		}
	}
}

func TestEchoInAHeader(t *testing.T) {
	for name, echo := range echoes {
		for _, header := range []string{"Content-Type", "Location", "X-Ms-Request-Id", "Client-Request-Id", "Retry-After", "Date", "Www-Authenticate"} {
			for _, status := range []int{200, 302, 401} {
				t.Run(fmt.Sprint(name, "/", header, "/", status), func(t *testing.T) {
					for _, value := range []string{echo, "https://" + echo + ".example/", "text/" + echo, "application/json; x=" + echo} {
						_, err := do(t, doFunc(func(*http.Request) (*http.Response, error) {
							r := reply(status, "text/html", "")
							r.Status = echo
							r.Header.Set(header, value)
							return r, nil
						}))
						require.Error(t, err)
						assertNoSecretIn(t, err)
						assert.Less(t, len(err.Error()), 1024)
					}
				})
			}
		}
	}
}

func TestEchoOnASocket(t *testing.T) {
	for name, raw := range map[string]string{
		"status line":     "HTTP/1.1 %s\r\n\r\n",
		"no status line":  "%s\r\n\r\n",
		"status code":     "HTTP/1.1 2%s OK\r\n\r\n",
		"version":         "HTTP/%s 200 OK\r\n\r\n",
		"header line":     "HTTP/1.1 200 OK\r\n%s\r\n\r\n",
		"header name":     "HTTP/1.1 200 OK\r\n %s: x\r\n\r\n",
		"content length":  "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
		"encoding":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n",
		"chunk":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
		"location":        "HTTP/1.1 302 Found\r\nLocation: https://%%zz%s\r\nContent-Length: 0\r\n\r\n",
		"location's host": "HTTP/1.1 302 Found\r\nLocation: https://%s.example/\r\nContent-Length: 0\r\n\r\n",
	} {
		for what, echo := range map[string]string{"piece": signature[100:112], "form": ""} {
			t.Run(name+"/"+what, func(t *testing.T) {
				_, o := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
					if text := body(t, r); echo == "" {
						hijack(t, w, fmt.Sprintf(raw, text))
						return
					}
					hijack(t, w, fmt.Sprintf(raw, echo))
				})
				_, err := exchangeAt(t, o)
				require.Error(t, err)
				assertNoSecretIn(t, err)
				assert.Less(t, len(err.Error()), 1024)
			})
		}
	}
}

func TestEchoOfATransport(t *testing.T) {
	for name, echo := range echoes {
		t.Run(name, func(t *testing.T) {
			for _, thrown := range []error{
				errors.New("cannot send " + echo),
				&url.Error{Op: "Post", URL: "https://h.example/?" + echo, Err: errors.New(echo)},
				errors.Join(errors.New("one"), errors.New(echo)),
				fmt.Errorf("two: %w", errors.New(echo)),
			} {
				_, err := do(t, doFunc(func(*http.Request) (*http.Response, error) { return nil, thrown }))
				require.Error(t, err)
				assertNoSecretIn(t, err)
				assert.Less(t, len(err.Error()), 2400)

				_, err = do(t, doFunc(func(*http.Request) (*http.Response, error) {
					r := reply(200, "application/json", "")
					r.Body = failing{thrown}
					return r, nil
				}))
				require.Error(t, err)
				assertNoSecretIn(t, err)
			}
		})
	}
}

// failing is a body whose Read fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
func (f failing) Close() error             { return nil }

// Redaction hides the secret and no more, because the rest of the sentence helps.
func TestRedactionLeavesTheRest(t *testing.T) {
	e := refused(t, always(401, "application/json",
		`{"error":"invalid_client","error_description":"AADSTS50027: JWT `+assertion+` is invalid, see https://aka.ms/x"}`))
	assert.Contains(t, e.Error(), "AADSTS50027: JWT [redacted] is invalid, see https://aka.ms/x")
	assert.Equal(t, []int{50027}, e.EntraCodes)
}

// A token that a proxy's page quotes is a secret too, even if it is not ours.
func TestOtherTokensAreHidden(t *testing.T) {
	for _, status := range []int{200, 400, 500} {
		for _, text := range []string{"your token is " + accessToken, `{"error":"e","error_description":"` + accessToken + `"}`, `{"token":"` + accessToken + `"}`} {
			_, err := do(t, always(status, "text/plain", text))
			require.Error(t, err)
			assertNoAccessToken(t, err)
		}
	}
}

// utf16 encodes ASCII text in either byte order.
func utf16(text string, bigEndian bool) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if bigEndian {
			b.WriteString("\x00" + string(c))
		} else {
			b.WriteString(string(c) + "\x00")
		}
	}
	return b.String()
}

// A UTF-16 page is not a usable reply, but people can still read it.
func TestEchoInUTF16(t *testing.T) {
	for _, bigEndian := range []bool{false, true} {
		for _, text := range []string{
			"you sent " + assertion, "you sent " + signature[100:], `{"client_assertion":"` + assertion + `"}`, `{"access_token":"OPAQUE"}`,
		} {
			encoded := utf16(text, bigEndian)
			for _, transport := range []doFunc{
				always(400, "text/plain; charset=utf-16", encoded),
				func(*http.Request) (*http.Response, error) { return nil, errors.New(encoded) },
			} {
				_, err := do(t, transport)
				require.Error(t, err)
				for _, printed := range printings(err) {
					together := strings.NewReplacer(" ", "", "\x00", "", `\x00`, "", `\u0000`, "").Replace(printed)
					assertNoSecret(t, together)
				}
			}
			assert.NotContains(t, strings.ReplaceAll(refused(t, always(400, "", encoded)).Error(), " ", ""), "OPAQUE")
		}
		assert.Contains(t, refused(t, always(403, "text/plain", utf16("Blocked by the proxy", bigEndian))).Error(), "Blocked by the proxy")
	}
}
