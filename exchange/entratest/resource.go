package entratest

import "strings"

// AllowResource registers resources, as they stand in a scope before "/.default": a URI or an application's ID. From the first
// call on every tenant knows these and no others (500011), and one request is for one resource (700022). Before, any
// resource is known, and the first one of a scope is what the token is for. A slash at the end of a resource does not count.
func (s *Server) AllowResource(resources ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resources == nil {
		s.resources = map[string]bool{}
	}
	for _, resource := range resources {
		s.resources[resourceKey(resource)] = true
	}
}

// IssueV2 makes the tokens for a resource v2.0 access tokens, as an application gets them whose manifest says
// requestedAccessTokenVersion 2. audience is their aud, with Entra the application's ID; "" is the resource as it was asked
// for. It registers no resource in the sense of [Server.AllowResource].
func (s *Server) IssueV2(resource, audience string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.v2 == nil {
		s.v2 = map[string]string{}
	}
	s.v2[resourceKey(resource)] = audience
}

func resourceKey(resource string) string { return strings.TrimSuffix(resource, "/") }

// v2Audience tells whether tokens for a resource are v2.0 tokens, and their audience.
func (s *Server) v2Audience(resource string) (audience string, wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	audience, wanted = s.v2[resourceKey(resource)]
	if audience == "" {
		audience = resource
	}
	return audience, wanted
}

func (s *Server) checkResource(c *call) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resources == nil {
		return nil
	}
	asked := map[string]bool{}
	for _, scope := range resourceScopes(c.Scope) {
		asked[resourceKey(strings.TrimSuffix(scope, defaultSuffix))] = true
	}
	switch {
	case len(asked) > 1:
		return &refusal{code: 700022}
	case !s.resources[resourceKey(resourceOf(c.Scope))]:
		return &refusal{code: 500011}
	}
	return nil
}
