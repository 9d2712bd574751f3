package entratest

import (
	"context"
	"net/http"
	"time"
)

// Reply is what a token request gets instead of being judged. A Reply whose Status is 0, that has no Err and does not
// hang, only delays: the request is then judged as usual.
type Reply struct {
	Status int         // HTTP status
	Header http.Header // replaces Entra's usual headers name by name; a name without values removes one
	Body   string

	Delay time.Duration // before the reply, or before Err; the server's own delay comes on top
	Hang  bool          // never answer: only the request's context ends it
	Err   error         // Do returns it, as a transport that got no reply; ServeHTTP drops the connection

	code int // the AADSTS code of a Body yet to be written, because it tells the time and the request's IDs
}

// Refuse returns Entra's error reply for an AADSTS code: status, OAuth error and wording as Entra has them, filled in from the
// request that gets it. Where a code has been seen with two statuses, Refuse has the newer; set Status for the other.
// A code that it does not know gets 400 invalid_request and a sentence of its own.
func Refuse(code int) Reply { return Reply{Status: wordingOf(code).status, code: code} }

// Throttle returns Entra's reply to too many requests: 429 in plain text, with a Retry-After in seconds, rounded up,
// when it is positive (AzureAD/microsoft-authentication-library-for-dotnet#2855).
func Throttle(retryAfter time.Duration) Reply {
	reply := Reply{Status: http.StatusTooManyRequests, Body: "Too Many Requests", Header: http.Header{}}
	reply.Header.Set("Content-Type", "text/plain; charset=utf-8")
	return reply.retryAfter(retryAfter)
}

// Unavailable returns the reply of an Entra that is overloaded: 503 temporarily_unavailable, with a Retry-After in
// seconds, rounded up, when it is positive.
func Unavailable(retryAfter time.Duration) Reply {
	reply := Refuse(90033)
	reply.Header = http.Header{}
	return reply.retryAfter(retryAfter)
}

// Enqueue scripts the replies to the next token requests, one each, in order. When they are used up, service is as before.
func (s *Server) Enqueue(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, reply := range replies {
		s.queue = append(s.queue, reply.clone())
	}
}

// SetReply gives every token request this reply, until SetReply(nil): an outage. Replies in the queue go first.
func (s *Server) SetReply(reply *Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing = nil
	if reply != nil {
		held := reply.clone()
		s.standing = &held
	}
}

// SetDelay makes every token request that arrives from now on wait for d before its reply. 0, as at first, is no delay.
func (s *Server) SetDelay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

func (p Reply) clone() Reply {
	p.Header = p.Header.Clone()
	return p
}

func (p Reply) retryAfter(d time.Duration) Reply {
	if d > 0 {
		p.Header.Set("Retry-After", seconds(d))
	}
	return p
}

// hold does what comes before a reply. Its error is what came instead of one.
func (p Reply) hold(ctx context.Context) error {
	if p.Hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := sleep(ctx, p.Delay); err != nil {
		return err
	}
	return p.Err
}

func (p Reply) response(c *call) *response {
	out := respond(c, p.Status, []byte(p.Body))
	if p.code != 0 && p.Body == "" {
		out = c.refused(&refusal{code: p.code})
		out.status = p.Status
	}
	for name, values := range p.Header {
		out.header.Del(name)
		for _, value := range values {
			out.header.Add(name, value)
		}
	}
	return out
}
