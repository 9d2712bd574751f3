package entratest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// bindingAudience is the audience that the proxy requires
// (https://learn.microsoft.com/azure/aks/identity-bindings-concepts).
const bindingAudience = "api://AKSIdentityBinding"

// TokenProxy fakes the in-cluster token proxy of AKS identity bindings
// (AZURE_KUBERNETES_TOKEN_PROXY). It forwards requests below its path to a Server. The Host header
// selects the Entra host, because clients send the authority's host to the proxy. A TokenProxy is
// safe for concurrent use.
//
// To serve it over TLS, use a certificate for the server name that clients request
// (AZURE_KUBERNETES_SNI_NAME); a [CA] issues one. To test a CA rotation, give the server a
// certificate of a second CA and write that CA's PEM to the file that the client reads.
//
// What the real proxy presents to Entra is not public. This one forwards the assertion unchanged,
// so a strict Server needs a [FederatedCredential] with the audience "api://AKSIdentityBinding".
type TokenProxy struct {
	Server *Server // required
	Path   string  // of the proxy's URL, such as "/proxy"; "" or "/" means none
}

// ServeHTTP implements [http.Handler]. A request outside Path gets 404. A token request whose
// assertion lacks the audience "api://AKSIdentityBinding" gets 403 in plain text. The real proxy's
// wording is not known.
func (p *TokenProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	onward, status := p.forward(r)
	if status != 0 {
		http.Error(w, proxyRefusals[status], status)
		return
	}
	p.Server.ServeHTTP(w, onward)
}

// Do answers r without a socket, like [Server.Do]. Use it as the transport of a client that needs
// no TLS settings for the proxy, for example inside a testing/synctest bubble.
func (p *TokenProxy) Do(r *http.Request) (*http.Response, error) {
	return roundTrip(r, func(r *http.Request) (*reply, error) {
		onward, status := p.forward(r)
		if status == 0 {
			return p.Server.answer(onward)
		}
		header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
		return &reply{status: status, header: header, body: []byte(proxyRefusals[status])}, nil
	})
}

// RoundTrip calls Do. It makes a TokenProxy an [http.RoundTripper].
func (p *TokenProxy) RoundTrip(r *http.Request) (*http.Response, error) { return p.Do(r) }

var proxyRefusals = map[int]string{
	http.StatusNotFound:  "the URL is outside the path of the token proxy",
	http.StatusForbidden: "the token proxy accepts only tokens for the audience " + bindingAudience,
}

// forward returns the request for the Server, or the status of a refusal.
func (p *TokenProxy) forward(r *http.Request) (onward *http.Request, refused int) {
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
	form, _ := url.ParseQuery(string(body)) // Entra refuses malformed forms
	presented, err := parseAssertion(form.Get("client_assertion"))
	return body, err == nil && slices.Contains(presented.audience, bindingAudience)
}
