package entratest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// bindingAudience is the audience of the tokens that the proxy takes
// (https://learn.microsoft.com/azure/aks/identity-bindings-concepts).
const bindingAudience = "api://AKSIdentityBinding"

// TokenProxy is a fake of the in-cluster token proxy of AKS identity bindings, AZURE_KUBERNETES_TOKEN_PROXY. It passes the
// requests below its path on to a Server, as for the host in their Host header, which a client keeps the authority's. It is
// safe for concurrent use.
//
// Over TLS it wants a certificate for the name that the client asks for, AZURE_KUBERNETES_SNI_NAME: [CA] makes one. That
// the CA can change at run time is tested by giving the server a certificate of another CA and writing that one's to the file.
//
// What the real proxy presents to Entra is not public. This one passes the assertion on as it is, so that a strict Server
// needs a [FederatedCredential] with the audience "api://AKSIdentityBinding".
type TokenProxy struct {
	Server *Server // required
	Path   string  // of the proxy's URL, as "/proxy"; "" or "/" is none
}

// ServeHTTP implements [http.Handler]. What is outside of Path is answered with 404. A token request whose assertion has not
// the audience "api://AKSIdentityBinding" is answered with 403 and a plain text; the real proxy's words are not on record.
func (p *TokenProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	onward, status := p.pass(r)
	if status != 0 {
		http.Error(w, refusalOfProxy[status], status)
		return
	}
	p.Server.ServeHTTP(w, onward)
}

// Do answers r without a socket, as [Server.Do] does: a transport for clients that need no TLS settings for the proxy, inside
// a testing/synctest bubble for example.
func (p *TokenProxy) Do(r *http.Request) (*http.Response, error) {
	return roundTrip(r, func(r *http.Request) (*response, error) {
		onward, status := p.pass(r)
		if status == 0 {
			return p.Server.answer(onward)
		}
		header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
		return &response{status: status, header: header, body: []byte(refusalOfProxy[status])}, nil
	})
}

var refusalOfProxy = map[int]string{
	http.StatusNotFound:  "not below the path of the token proxy",
	http.StatusForbidden: "the token proxy takes only tokens for the audience " + bindingAudience,
}

// pass returns the request for the Server, or the status of a refusal.
func (p *TokenProxy) pass(r *http.Request) (onward *http.Request, refused int) {
	base := strings.TrimSuffix(p.Path, "/")
	rest, below := strings.CutPrefix(r.URL.Path, base+"/")
	if !below {
		return nil, http.StatusNotFound
	}
	onward = r.Clone(r.Context())
	onward.URL.Path, onward.URL.RawPath = "/"+rest, ""
	if at, _ := route(onward.URL.Path); at.kind != KindToken {
		return onward, 0
	}
	body, bound := readAssertion(r.Body)
	if !bound {
		return nil, http.StatusForbidden
	}
	onward.Body = io.NopCloser(bytes.NewReader(body))
	return onward, 0
}

// readAssertion reads a form and reports whether its assertion is for the proxy.
func readAssertion(stream io.ReadCloser) (body []byte, bound bool) {
	if stream == nil {
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, stream, maxBody))
	if err != nil {
		return nil, false
	}
	form, _ := url.ParseQuery(string(body)) // a malformed one is for Entra to refuse
	presented, err := parseAssertion(form.Get("client_assertion"))
	return body, err == nil && slices.Contains(presented.audience, bindingAudience)
}
