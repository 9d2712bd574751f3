package entratest

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Server is a fake Entra ID. The zero value is usable: it serves any host, any tenant and any client, and takes any
// well-formed JWT that has not expired as an assertion. It is safe for concurrent use and must not be copied after
// first use.
//
// Once a federated credential is registered with [Server.Trust], or an application with [Server.AddApplication], assertions
// are judged as Entra judges them. The first fault decides, in this order; the codes are AADSTS codes:
//
//  1. the request itself: region (100007, if [Server.RefuseRegions] is set), form, fields, scope, claims; a client secret instead
//     of an assertion, for no application has one (7000215)
//  2. the tenant (900023, 90002), its cloud after [Server.SetCloud] (900382, 90002) and the application (700016, 7000112)
//  3. the assertion's form (50027) and algorithm, RS256 or nothing (5002738)
//  4. issued by Entra itself (700222), no credentials at all (70025), then the issuer (700211), the subject (700213, or
//     7002138 if only its case differs) and the audience (700212) of the application's credentials; then, of Entra's own
//     tokens, a user's (700229), an application's that is no managed identity (700226), and an audience that is not for this
//     (700227); then the tenant's policy on federation, if [Server.SetPolicy] set one (700223, 700238)
//  5. lifetime over 25 h, or unknown because iat or exp is missing (70023); past its expiry or before its nbf by more
//     than 5 minutes (700024)
//  6. the issuer's keys: it does not answer (90061), its documents are unusable (50166), they lack the key (7000272), the
//     signature is another (7000274)
//  7. the resource, if [Server.AllowResource] was called (700022, 500011)
//  8. Conditional Access, if [Server.SetPolicy] set it (53003)
//
// Entra's own order is not public. This one asks the cheap questions first, and the issuer only once the application has
// said that it trusts it: Entra would not fetch a URL that a stranger chose. Why a fetch failed is in the reply's header
// X-Entratest-Cause, which Entra does not send. A credential that names an Entra issuer, for a managed identity as a
// federated credential, is matched like any other.
//
// It serves the token endpoint for the client-credentials grant with an assertion, instance discovery, openid-configuration
// and the signing keys, which is all that azidentity and MSAL ask for; and the first version of each, for older clients,
// which name a resource instead of a scope.
// Time is time.Now, and ClockSkew on top, so that inside a testing/synctest bubble tokens age with the bubble.
type Server struct {
	// Lifetime of the tokens it issues, in whole seconds. 0 is 3599 s, an hour less a second as Entra has it.
	// Set before first use.
	Lifetime time.Duration

	// RefreshIn is sent as refresh_in, in whole seconds. 0 leaves the field out, as Entra does for short-lived tokens.
	// Set before first use.
	RefreshIn time.Duration

	// PropagationDelay is how long a federated credential is not found yet after [Server.Trust]. Minutes with Entra; 0, none, here.
	// A change is for the credentials to come.
	PropagationDelay time.Duration

	// HTTPClient fetches the discovery documents of the issuers, except where [Server.TrustCluster] gave a cluster. nil is a
	// client with a time-out of 10 s that trusts what the system trusts. Set before first use.
	HTTPClient *http.Client

	// KeyCache is how long the keys of an issuer are kept. While they are, a new key is unknown and a removed one is still
	// good. 0 asks the issuer for every assertion, so that a rotation counts at once; Entra keeps them, and 20 to 30 minutes
	// have been reported. Set before first use.
	KeyCache time.Duration

	// ClockSkew is how far this server's clock is ahead of time.Now, so of the clock of its clients and clusters; negative is
	// behind. It judges by its clock, and dates its replies and tokens by it; what takes time, as PropagationDelay, takes as long as
	// before. A change is for the requests to come, and must not meet one that is under way.
	ClockSkew time.Duration

	// RefuseRegions makes it refuse what comes to the host of a region with AADSTS100007, as Entra does but for managed identities
	// and some of Microsoft's own services (microsoft/dev-tunnels#443); false serves regions as if the clients were such. A change
	// is for the requests to come, and must not meet one that is under way.
	RefuseRegions bool

	mu       sync.Mutex
	requests []Request
	queue    []Reply
	standing *Reply
	delay    time.Duration

	directory directory           // nil: any tenant and client is served
	clusters  map[string]*Cluster // by issuer
	keys      map[string]keptKeys // by issuer
	resources map[string]bool     // nil: any resource is known
	v2        map[string]string   // resources that want v2.0 tokens, and the audience of those
}

// ServeHTTP implements [http.Handler]. It drops the connection where Do returns an error.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply, err := s.answer(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	reply.writeTo(w)
}

// Do answers r in the caller's goroutine and without a socket. It makes a Server an azcore policy.Transporter.
// Like a transport it closes the request's body, returns the context's error when that ends first, and sends nothing,
// so records nothing, when the context has ended before.
func (s *Server) Do(r *http.Request) (*http.Response, error) {
	return roundTrip(r, s.answer)
}

// Requests returns a copy of every request so far, discovery included, in order of arrival. A request that is still
// waiting for its reply is among them.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	copies := make([]Request, 0, len(s.requests))
	for _, r := range s.requests {
		copies = append(copies, r.clone())
	}
	return copies
}

// ForgetRequests drops the requests so far, for a server that runs for long, or to count from now on.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

func (s *Server) answer(r *http.Request) (*response, error) {
	c := receive(r)
	script := s.admit(c)
	if err := script.hold(r.Context()); err != nil {
		return nil, err
	}
	c.now = time.Now().Add(s.ClockSkew)
	if script.Status != 0 {
		return script.response(c), nil
	}
	return s.serve(r.Context(), c)
}

// admit records a call and takes what is scripted for it. Both under one lock, so that the n-th token request in
// Requests is the one that got the n-th reply of the queue.
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

func (s *Server) serve(ctx context.Context, c *call) (*response, error) {
	switch c.Kind {
	case KindToken:
		return s.token(ctx, c)
	case KindOther:
		return respond(c, http.StatusNotFound, nil), nil
	}
	if c.Method != http.MethodGet {
		return c.wrongMethod(http.MethodGet), nil
	}
	if c.Kind == KindOpenIDConfiguration {
		if no := s.checkConfiguration(c); no != nil {
			return c.refused(no), nil
		}
	}
	return c.document(), nil
}

// sleep waits for d, or for ctx to end and returns its error.
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
