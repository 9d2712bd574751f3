package diagnose

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/entrafed/entrafed/internal/hint"
)

// checkAccessToken shows what the access token says of itself, where it can be read. A program must not depend on that: the token is the
// resource's to read.
func checkAccessToken(_ context.Context, w *walk, l *Link) {
	switch {
	case l.Mark == Failure: // Entra ID said so
		return
	case w.access.Token == "":
		l.skip("there is none")
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
	l.see("object ID", c.ObjectID)
	if hint.IsGUID(c.ObjectID) { // and nothing else, for a shell
		w.objectID = c.ObjectID
	}
	l.see("tenant", c.TenantID)
	l.see("roles", strings.Join(c.Roles, " "))
	l.see("managed identity", c.ManagedIdentity)
	l.ok("for " + cmp.Or(strings.Join(c.Audience, " "), w.scope))
	if len(c.Roles) == 0 && c.isFor("https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000") {
		l.warn("the token has no roles: Microsoft Graph refuses what it is used for", "grant the identity application permissions of Microsoft Graph: az rest --method POST --url .../appRoleAssignments")
	}
}

// accessClaims are those of a token of version 1.0 or 2.0
// (https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference).
type accessClaims struct {
	jwt.RegisteredClaims
	AppID           string   `json:"appid"` // version 1.0
	AuthorizedParty string   `json:"azp"`   // version 2.0
	ObjectID        string   `json:"oid"`
	TenantID        string   `json:"tid"`
	Roles           []string `json:"roles"`
	ManagedIdentity string   `json:"xms_mirid"`
}

func (c *accessClaims) client() string { return cmp.Or(c.AppID, c.AuthorizedParty) }

func (c *accessClaims) isFor(resources ...string) bool {
	return slices.ContainsFunc(c.Audience, func(audience string) bool { return slices.Contains(resources, strings.TrimSuffix(audience, "/")) })
}
