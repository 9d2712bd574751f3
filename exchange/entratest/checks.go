package entratest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// assertionType is the only valid client_assertion_type (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Values of grant_type.
const (
	grantClient     = "client_credentials"
	grantOnBehalfOf = "urn:ietf:params:oauth:grant-type:jwt-bearer" // RFC 7523 section 2.1
	grantAgentUser  = "user_fic"
)

// delegated reports whether the request is for a user's token.
func (c *call) delegated() bool { return c.Form.Get("grant_type") != grantClient }

// check judges one property of a token request. It returns nil if that is in order.
type check func(*call) *refusal

// requestChecks judge the request's fields, independent of what is registered. They run in this
// order, and the first refusal is the reply.
var requestChecks = []check{
	checkForm,
	checkDuplicates,
	checkGrantType,
	checkClientID,
	checkScopeGiven,
	checkAssertionGiven,
	checkAssertionType,
	checkUserGiven,
	checkScope,
	checkClaims,
}

func checkForm(c *call) *refusal {
	if c.formErr != nil {
		return &refusal{code: 9002313}
	}
	return nil
}

// checkDuplicates checks the fields in the order of their names, because a form does not keep the
// order of the request.
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
	case grantClient, grantOnBehalfOf, grantAgentUser:
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

// checkScopeGiven applies to v2.0, which does not support the resource parameter. v1 ignores scope.
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

// checkAssertionType refuses a wrong type as a malformed request. Entra's own code for it is not
// known.
func checkAssertionType(c *call) *refusal {
	switch c.Form.Get("client_assertion_type") {
	case "":
		return missing("client_assertion_type")
	case assertionType:
		return nil
	}
	return &refusal{code: 9002313}
}

// checkUserGiven requires the fields of the delegated grants. MSAL omits requested_token_use in
// user_fic.
func checkUserGiven(c *call) *refusal {
	var required []string
	switch c.Form.Get("grant_type") {
	case grantOnBehalfOf:
		required = []string{"assertion", "requested_token_use"}
	case grantAgentUser:
		required = []string{"user_federated_identity_credential"}
		if !c.Form.Has("user_id") {
			required = append(required, "username")
		}
	}
	for _, field := range required {
		if c.Form.Get(field) == "" {
			return missing(field)
		}
	}
	if use := c.Form.Get("requested_token_use"); c.delegated() && use != "" && use != "on_behalf_of" {
		return &refusal{code: 9002313}
	}
	return nil
}

// checkScope requires a resource with the suffix /.default, whether or not the resource is known.
// In a delegated grant, a permission is enough.
func checkScope(c *call) *refusal {
	if c.v1 {
		return nil
	}
	scopes := resourceScopes(c.Scope)
	for _, scope := range scopes {
		if c.delegated() {
			if resource, _ := splitScope(scope); resource == "" || strings.HasSuffix(resource, ":/") {
				return &refusal{code: 70011}
			}
			continue
		}
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
