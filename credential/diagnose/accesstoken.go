package diagnose

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/internal/guid"
)

// checkAccessToken shows the claims of the access token, if it is readable. Programs must not
// depend on them: the token is meant only for the resource.
func checkAccessToken(_ context.Context, w *walk, l *Link) {
	switch {
	case l.Mark == Failure: // Entra ID refused the exchange because of this link
		return
	case w.access.Token == "":
		l.skip("none was issued")
		return
	}
	l.see("valid until", fromNow(w.access.ExpiresOn))
	if !w.access.RefreshOn.IsZero() {
		l.see("refresh at", w.access.RefreshOn.UTC().Format(time.RFC3339))
	}
	var c accessClaims
	if _, _, err := jwt.NewParser().ParseUnverified(w.access.Token, &c); err != nil {
		l.ok("only the resource can read it")
		return
	}
	l.see("audience", strings.Join(c.Audience, " "))
	l.see("client ID", c.client())
	l.see("blueprint", c.Blueprint)
	l.see("object ID", c.ObjectID)
	if guid.Is(c.ObjectID) { // a fix puts it in a shell command
		w.objectID = c.ObjectID
	}
	l.see("tenant", c.TenantID)
	l.see("roles", strings.Join(c.Roles, " "))
	l.see("managed identity", c.ManagedIdentity)
	l.ok("issued for " + cmp.Or(strings.Join(c.Audience, " "), w.scope))
	if len(c.Roles) == 0 && c.isFor("https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000") {
		l.warn("the token has no roles, so Microsoft Graph refuses its requests unless the identity has a directory role",
			"grant the identity application permissions for Microsoft Graph: az rest --method POST --url .../appRoleAssignments")
	}
}

// accessClaims are the claims of an access token, version 1.0 or 2.0
// (https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference).
type accessClaims struct {
	jwt.RegisteredClaims
	AppID           string   `json:"appid"` // version 1.0
	AuthorizedParty string   `json:"azp"`   // version 2.0
	ObjectID        string   `json:"oid"`
	TenantID        string   `json:"tid"`
	Roles           []string `json:"roles"`
	ManagedIdentity string   `json:"xms_mirid"`
	Blueprint       string   `json:"xms_par_app_azp"` // of an agent identity
}

func (c *accessClaims) client() string { return cmp.Or(c.AppID, c.AuthorizedParty) }

func (c *accessClaims) isFor(resources ...string) bool {
	return slices.ContainsFunc(c.Audience, func(audience string) bool { return slices.Contains(resources, strings.TrimSuffix(audience, "/")) })
}
