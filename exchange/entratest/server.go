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
// It serves the v2.0 token endpoint for the client-credentials grant with an assertion, instance discovery,
// openid-configuration and the signing keys, which is all that azidentity and MSAL ask for.
// Time is time.Now, so that inside a testing/synctest bubble tokens age with the bubble.
type Server struct {
	// Lifetime of the tokens it issues, in whole seconds. 0 is 3599 s, an hour less a second as Entra has it.
	// Set before first use.
	Lifetime time.Duration

	// RefreshIn is sent as refresh_in, in whole seconds. 0 leaves the field out, as Entra does for short-lived tokens.
	// Set before first use.
	RefreshIn time.Duration

	mu       sync.Mutex
	requests []Request
	queue    []Reply
	standing *Reply
	delay    time.Duration
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
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	reply, err := s.answer(r)
	if err != nil {
		return nil, err
	}
	return reply.toHTTP(r), nil
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

func (s *Server) answer(r *http.Request) (*response, error) {
	c := receive(r)
	script := s.admit(c)
	if err := script.hold(r.Context()); err != nil {
		return nil, err
	}
	c.now = time.Now()
	if script.Status != 0 {
		return script.response(c), nil
	}
	return s.serve(c)
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

func (s *Server) serve(c *call) (*response, error) {
	switch c.Kind {
	case KindToken:
		return s.token(c)
	case KindOther:
		return respond(c, http.StatusNotFound, nil), nil
	}
	if c.Method != http.MethodGet {
		return c.wrongMethod(http.MethodGet), nil
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
