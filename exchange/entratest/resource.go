package entratest

import (
	"cmp"
	"slices"
	"strings"
)

// directoryGraph is what a v1 request without a resource gets a token for: the Azure AD Graph of old.
const directoryGraph = "00000002-0000-0000-c000-000000000000"

// resources are the audiences that a token is asked for. Of a scope they lack one "/.default" and nothing else:
// "https://x//.default" is for "https://x/", which Entra tells from "https://x".
func (c *call) resources() []string {
	if c.v1 {
		return []string{cmp.Or(c.Form.Get("resource"), directoryGraph)}
	}
	resources := resourceScopes(c.Scope)
	for i, scope := range resources {
		resources[i] = strings.TrimSuffix(scope, defaultSuffix)
	}
	return resources
}

// resource is the one that the token is for.
func (c *call) resource() string {
	if all := c.resources(); len(all) > 0 {
		return all[0]
	}
	return ""
}

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
	asked := c.resources()
	first := resourceKey(asked[0]) // one there is, or checkScope had refused
	switch {
	case slices.ContainsFunc(asked, func(other string) bool { return resourceKey(other) != first }):
		return &refusal{code: 700022}
	case !s.resources[first]:
		return &refusal{code: 500011}
	}
	return nil
}
