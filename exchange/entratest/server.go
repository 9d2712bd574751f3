package entratest

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Server is a fake Entra ID. The zero value is ready to use: it serves any host, tenant and client.
// As an assertion it accepts any well-formed JWT, with a header that Entra accepts, until 5 minutes
// after its expiry. It is safe for concurrent use and must not be copied after first use.
//
// The server becomes strict once a federated credential ([Server.Trust]), an application
// ([Server.AddApplication]) or an agent ([Server.AddAgent]) is registered. It then judges
// assertions as Entra does. The checks run in this order, and the first that fails determines the
// reply. Numbers are AADSTS codes:
//
//  1. The request: a regional host (100007, if [Server.RefuseRegions] is set), then form, fields,
//     scope and claims. A client secret instead of an assertion is always wrong (7000215).
//  2. The tenant (900023, 90002), its cloud if [Server.SetCloud] set one (900382, 90002), and the
//     application (700016, 7000112).
//  3. The assertion's form (50027), header members (5002726), type (5002727) and algorithm, which
//     must be RS256 (5002738).
//  4. The application's federated credentials. One must match the issuer (700222 if that is Entra
//     itself, 70025 if there are no credentials at all, otherwise 700211), the subject (700213, or
//     7002138 if only its case differs) and the audience (700212). Tokens that Entra issued are
//     refused if they are a user's (700229), an application's that is not a managed identity
//     (700226), for another purpose (700227) or, with [Policy.NoChaining], issued by this server
//     (700231). The tenant's policy on federation comes last, if [Server.SetPolicy] set one (700223,
//     700238).
//  5. The times: a lifetime over 25 h, or unknown because iat or exp is missing (70023), and more
//     than 5 minutes past expiry or before nbf (700024).
//  6. The signature: the issuer cannot be reached (90061), its documents are unusable (50166), they
//     lack the key (7000272), or the signature does not verify (7000274).
//  7. The user's token, in a delegated grant: its form (50027), signature and tenant (50013),
//     expiry (500133), type (7000114) and audience (500131).
//  8. The resource, if [Server.AllowResource] was called (700022, 500011).
//  9. Policies that [Server.SetPolicy] set: Conditional Access (53003), consent (65001) and
//     multi-factor authentication (50076).
//
// An agent signs in with its blueprint's token, which replaces checks 4 to 6 except for the expiry.
// The assertion of another issuer is refused with 70025, a forged token with 7000274, the token of
// another agent or blueprint with 7002137, and one for another purpose with 700212. The agent's
// user account must exist (50034) and belong to the agent (7002137).
//
// Entra's own order is not public. This one runs the cheap checks first. It contacts the issuer
// only when a credential names it, because Entra would not fetch a URL that a stranger chose. If
// the fetch fails, the header X-Entratest-Cause of the reply says why; Entra does not send it. A
// credential that names an Entra issuer (a managed identity as a federated credential) is matched
// like any other.
//
// The server has the endpoints that azidentity and MSAL use for a client assertion: token endpoint,
// instance discovery, openid-configuration and the signing keys. It also has their v1 forms for
// older clients, which send a resource instead of a scope. The token endpoint supports the grants
// with a client assertion: client credentials, on behalf of a user, and user_fic.
//
// The server also has the part of Microsoft Graph that manages federated credentials: applications
// and their federatedIdentityCredentials (list, create, read, change, delete), below /v1.0 and
// /beta. Any access token of this server for Graph grants access. A credential created there is
// trusted as if by [Server.Trust].
//
// The server's clock is time.Now plus ClockSkew. Inside a testing/synctest bubble, tokens age with
// the bubble.
type Server struct {
	// Lifetime is the lifetime of the tokens it issues, in whole seconds. 0 means 3599 s, one
	// second less than an hour, as with Entra. Set before first use.
	Lifetime time.Duration

	// RefreshIn is sent as refresh_in, in whole seconds. 0 omits the field, as Entra does for
	// short-lived tokens. Set before first use.
	RefreshIn time.Duration

	// PropagationDelay is how long a federated credential stays unknown after it was registered, or
	// changed through Graph. It takes minutes with Entra; 0 means no delay. A change affects only
	// credentials registered later.
	PropagationDelay time.Duration

	// HTTPClient fetches the issuers' discovery documents, except for clusters registered with
	// [Server.TrustCluster]. nil means a client with a timeout of 10 s and the system's trusted
	// roots. Set before first use.
	HTTPClient *http.Client

	// KeyCache is how long an issuer's keys are cached. During that time a removed key still
	// verifies, and an unknown key makes the server fetch the keys again. 0 fetches the keys for
	// every assertion, so that a removal takes effect at once. Set before first use.
	KeyCache time.Duration

	// ClockSkew is how far the server's clock is ahead of time.Now, the clock of its clients and
	// clusters. Negative values are behind. The server judges assertions by its own clock and dates
	// replies and tokens by it. Durations such as PropagationDelay are not affected. It may be
	// changed between requests, but not while one is being served.
	ClockSkew time.Duration

	// RefuseRegions makes the server refuse requests to a regional host with AADSTS100007. Entra
	// refuses everyone except managed identities and some of Microsoft's own services
	// (microsoft/dev-tunnels#443). If false, regional hosts serve every client. It may be changed
	// between requests, but not while one is being served.
	RefuseRegions bool

	signer signer

	mu       sync.Mutex
	requests []Request
	queue    []Reply
	standing *Reply
	delay    time.Duration

	directory directory             // nil: any tenant and client is served
	clusters  map[string]*Cluster   // by issuer
	keys      map[string]cachedKeys // by issuer
	resources map[string]bool       // nil: any resource is known
	v2        map[string]string     // audience of v2.0 tokens, by resource; other resources get v1.0 tokens
}

// RotateKey makes the server sign with a new key. The old keys stay published until
// [Server.DropOldKeys]. No two servers share a signing key.
func (s *Server) RotateKey() { s.signer.rotate() }

// DropOldKeys publishes only the current signing key. Tokens signed before the last rotation no
// longer verify.
func (s *Server) DropOldKeys() { s.signer.dropOld() }

// ServeHTTP implements [http.Handler]. It drops the connection where Do would return an error.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply, err := s.answer(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	reply.writeTo(w)
}

// Do answers r on the caller's goroutine, without a socket. It makes a Server an azcore
// policy.Transporter. Like a transport, it closes the request's body and returns the context's
// error if the context ends first. If the context has already ended, Do does not record the
// request.
func (s *Server) Do(r *http.Request) (*http.Response, error) {
	return roundTrip(r, s.answer)
}

// RoundTrip calls Do. It makes a Server an [http.RoundTripper].
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) { return s.Do(r) }

// Requests returns copies of all requests so far, in order of arrival. It includes discovery
// requests and requests that still wait for their reply.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	copies := make([]Request, 0, len(s.requests))
	for _, r := range s.requests {
		copies = append(copies, r.clone())
	}
	return copies
}

// ForgetRequests drops the recorded requests. Use it to count requests from a point on, or to free
// memory in a long-running server.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

func (s *Server) answer(r *http.Request) (*reply, error) {
	c := receive(r)
	script := s.admit(c)
	if err := script.hold(r.Context()); err != nil {
		return nil, err
	}
	c.now = time.Now().Add(s.ClockSkew)
	if script.Status != 0 {
		return script.replyTo(c), nil
	}
	return s.serve(r.Context(), c)
}

// admit records a call and takes its scripted reply. One lock covers both, so that the n-th token
// request in Requests is the one that got the n-th queued reply.
func (s *Server) admit(c *call) (script Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, c.Request)
	if c.Kind != KindToken {
		return Reply{}
	}
	switch {
	case len(s.queue) > 0:
		script, s.queue = s.queue[0], s.queue[1:]
	case s.standing != nil:
		script = *s.standing
	}
	script.Delay += s.delay
	return script
}

func (s *Server) serve(ctx context.Context, c *call) (*reply, error) {
	switch c.Kind {
	case KindToken:
		return s.token(ctx, c)
	case KindGraph:
		return s.graph(c), nil
	case KindOther:
		return newReply(c, http.StatusNotFound, nil), nil
	}
	switch c.Method {
	case http.MethodGet:
	case http.MethodOptions:
		return c.preflight(), nil
	default:
		return c.wrongMethod(http.MethodGet), nil
	}
	if c.Kind == KindOpenIDConfiguration {
		if no := s.checkConfiguration(c); no != nil {
			return c.refused(no), nil
		}
	}
	return s.document(c), nil
}

// token serves the token endpoint.
func (s *Server) token(ctx context.Context, c *call) (*reply, error) {
	if c.Method != http.MethodPost {
		return c.wrongMethod(http.MethodPost), nil
	}
	no, err := s.judge(ctx, c)
	switch {
	case err != nil:
		return nil, err
	case no != nil:
		return c.refused(no), nil
	}
	return s.issue(c)
}

// sleep waits for d. If ctx ends first, sleep returns its error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
