package entratest

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// clockSkew is how far past its expiry an assertion is still taken, or how far before its nbf.
const clockSkew = 5 * time.Minute

// assertionType is the one value of client_assertion_type (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// check judges one thing about a token request. nil: nothing to object.
type check func(*call) *refusal

// requestChecks judge what a request is made of, whoever sends it. They run in this order and the first refusal is the
// answer, so that one mistake gives one error.
var requestChecks = []check{
	checkForm,
	checkDuplicates,
	checkGrantType,
	checkClientID,
	checkScopeGiven,
	checkAssertionGiven,
	checkAssertionType,
	checkScope,
	checkClaims,
}

// token serves the token endpoint.
func (s *Server) token(ctx context.Context, c *call) (*response, error) {
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

func checkForm(c *call) *refusal {
	if c.formErr != nil {
		return &refusal{code: 9002313}
	}
	return nil
}

// checkDuplicates goes by the names' order, because a form does not keep its own.
func checkDuplicates(c *call) *refusal {
	for _, name := range slices.Sorted(maps.Keys(c.Form)) {
		if len(c.Form[name]) > 1 {
			return &refusal{code: 9000411, name: name}
		}
	}
	return nil
}

func checkGrantType(c *call) *refusal {
	switch grant := c.Form.Get("grant_type"); grant {
	case "":
		return missing("grant_type")
	case "client_credentials":
		return nil
	default:
		return &refusal{code: 70003, name: grant}
	}
}

func checkClientID(c *call) *refusal {
	if c.ClientID == "" {
		return missing("client_id")
	}
	return nil
}

// checkScopeGiven is for v2.0, which knows no resource parameter; before, the field scope means nothing.
func checkScopeGiven(c *call) *refusal {
	switch {
	case c.v1:
		return nil
	case c.Form.Has("resource"):
		return &refusal{code: 901002}
	case c.Scope == "":
		return missing("scope")
	}
	return nil
}

func checkAssertionGiven(c *call) *refusal {
	switch {
	case c.Assertion == "" && c.Form.Get("client_secret") != "":
		return &refusal{code: 7000215} // no application here has a secret
	case !c.Form.Has("client_assertion"):
		return &refusal{code: 7000218}
	case c.Assertion == "":
		return &refusal{code: 7000216}
	}
	return nil
}

// checkAssertionType answers a wrong type with the code for a malformed request: which one Entra has for it is not on record.
func checkAssertionType(c *call) *refusal {
	switch c.Form.Get("client_assertion_type") {
	case "":
		return missing("client_assertion_type")
	case assertionType:
		return nil
	}
	return &refusal{code: 9002313}
}

// checkScope wants /.default behind a resource, whether or not there is such a resource.
func checkScope(c *call) *refusal {
	if c.v1 {
		return nil
	}
	scopes := resourceScopes(c.Scope)
	for _, scope := range scopes {
		if !strings.HasSuffix(scope, defaultSuffix) || scope == defaultSuffix {
			return &refusal{code: 1002012}
		}
	}
	if len(scopes) == 0 {
		return &refusal{code: 1002012}
	}
	return nil
}

func checkClaims(c *call) *refusal {
	if c.Claims == "" {
		return nil
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(c.Claims), &object); err != nil || object == nil {
		return &refusal{code: 9002313}
	}
	return nil
}

func checkAssertionForm(c *call) *refusal {
	parsed, err := parseAssertion(c.Assertion)
	if err != nil {
		return &refusal{code: 50027}
	}
	c.assertion = parsed
	return nil
}

const defaultSuffix = "/.default"

// resourceScopes drops the OpenID Connect scopes: MSAL adds them to every request, and Entra ignores them in this grant.
func resourceScopes(scope string) []string {
	var resources []string
	for _, s := range strings.Fields(scope) {
		switch s {
		case "openid", "offline_access", "profile":
		default:
			resources = append(resources, s)
		}
	}
	return resources
}
