package entratest

import (
	"cmp"
	"slices"
	"strings"
)

// directoryGraph is the default resource of a v1 request: the former Azure AD Graph.
const directoryGraph = "00000002-0000-0000-c000-000000000000"

const defaultSuffix = "/.default"

// resources returns the requested audiences. For a scope, that is everything before one
// "/.default": "https://x//.default" requests "https://x/", which Entra distinguishes from
// "https://x".
func (c *call) resources() []string {
	if c.v1 {
		return []string{cmp.Or(c.Form.Get("resource"), directoryGraph)}
	}
	resources := resourceScopes(c.Scope)
	for i, scope := range resources {
		resources[i], _ = splitScope(scope)
	}
	return resources
}

// splitScope returns a scope's resource and permission. A permission without a resource belongs to
// Microsoft Graph.
func splitScope(scope string) (resource, permission string) {
	if resource, whole := strings.CutSuffix(scope, defaultSuffix); whole {
		return resource, ".default"
	}
	if i := strings.LastIndex(scope, "/"); i >= 0 {
		return scope[:i], scope[i+1:]
	}
	return "https://graph.microsoft.com", scope
}

// granted returns the claim scp of a user's token, its permissions. /.default becomes
// user_impersonation, as with most Azure services; in reality it depends on the resource.
func (c *call) granted() string {
	var all []string
	for _, scope := range resourceScopes(c.Scope) {
		_, permission := splitScope(scope)
		if permission == ".default" {
			permission = "user_impersonation"
		}
		all = append(all, permission)
	}
	return cmp.Or(strings.Join(all, " "), "user_impersonation")
}

// resource returns the resource that the token is for, or "".
func (c *call) resource() string {
	if all := c.resources(); len(all) > 0 {
		return all[0]
	}
	return ""
}

// resourceScopes splits a scope and drops the OpenID Connect scopes, which MSAL adds to every
// request and which name no resource.
func resourceScopes(scope string) []string {
	var resources []string
	for s := range strings.FieldsSeq(scope) {
		switch s {
		case "openid", "offline_access", "profile":
		default:
			resources = append(resources, s)
		}
	}
	return resources
}

// AllowResource registers resources. Each is named by the part of a scope before "/.default", a URI
// or an application ID. A trailing slash does not matter. Once called, every tenant knows only
// registered resources and token exchange (others get 500011), and a request can name only one
// resource (else 700022). Before that, every resource is known, and a token is for the first
// resource of its scope.
func (s *Server) AllowResource(resources ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resources == nil {
		s.resources = map[string]bool{}
		for _, audience := range entraAudiences {
			s.resources[audience] = true
		}
	}
	for _, resource := range resources {
		s.resources[resourceKey(resource)] = true
	}
}

// IssueV2 makes the tokens for a resource v2.0 access tokens, as for an application whose manifest
// has requestedAccessTokenVersion 2. audience becomes their aud; Entra uses the application's ID.
// "" means the resource as requested. Their iss is that of the cloud that the request's host
// belongs to. A server at another address names that address in its discovery document, so the two
// differ. IssueV2 does not register the resource in the sense of [Server.AllowResource].
func (s *Server) IssueV2(resource, audience string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.v2 == nil {
		s.v2 = map[string]string{}
	}
	s.v2[resourceKey(resource)] = audience
}

func resourceKey(resource string) string { return strings.TrimSuffix(resource, "/") }

// v2Audience reports whether tokens for a resource are v2.0 tokens, and returns their audience.
func (s *Server) v2Audience(resource string) (audience string, wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	audience, wanted = s.v2[resourceKey(resource)]
	if resource == exchangeAudience {
		return exchangeAppID, true
	}
	return cmp.Or(audience, resource), wanted
}

func (s *Server) checkResource(c *call) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resources == nil {
		return nil
	}
	requested := c.resources()
	first := resourceKey(requested[0]) // checkScope guarantees at least one
	switch {
	case slices.ContainsFunc(requested, func(other string) bool { return resourceKey(other) != first }):
		return &refusal{code: 700022}
	case !s.resources[first]:
		return &refusal{code: 500011}
	}
	return nil
}
