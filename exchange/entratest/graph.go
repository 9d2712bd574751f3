package entratest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// graphAudiences are the audiences of tokens for Microsoft Graph, depending on the requested scope.
var graphAudiences = []string{"https://graph.microsoft.com", "https://graph.microsoft.com/", "00000003-0000-0000-c000-000000000000"}

// graphPath matches the paths of Microsoft Graph that the fake serves: applications, by object ID
// or appId, and their federated credentials, by ID or name. In beta, an application can be named as
// an agent identity blueprint.
var graphPath = regexp.MustCompile(`^/(v1\.0|beta)/applications(?:\(appId='([^'/]+)'\)|/([^/]+))?(/federatedIdentityCredentials(?:/([^/]+))?)?$`)

// blueprintPath matches the path of an application that is named as a blueprint. Its groups are the
// parts before and after the type's name.
var blueprintPath = regexp.MustCompile(`^(/beta/applications/[^/]+)/microsoft\.graph\.agentIdentityBlueprint(/.+)$`)

// graphPathOf returns the groups of graphPath in a path, or nil.
func graphPathOf(path string) []string {
	return graphPath.FindStringSubmatch(blueprintPath.ReplaceAllString(path, "$1$2"))
}

// filterForm is the only $filter that the fake supports.
var filterForm = regexp.MustCompile(`^appId eq '([^']*)'$`)

// graphApplication holds the members of an application that the fake serves.
type graphApplication struct {
	ID          string `json:"id"`
	AppID       string `json:"appId"`
	DisplayName string `json:"displayName"`
}

// graphCredential is a federatedIdentityCredential
// (https://learn.microsoft.com/graph/api/resources/federatedidentitycredential).
type graphCredential struct {
	Context     string   `json:"@odata.context,omitempty"`
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Issuer      string   `json:"issuer"`
	Subject     string   `json:"subject"`
	Description *string  `json:"description"`
	Audiences   []string `json:"audiences"`
}

// graphError is an error reply of Graph.
type graphError struct {
	status        int
	code, message string
}

func badGraphRequest(message string) *graphError {
	return &graphError{http.StatusBadRequest, "Request_BadRequest", message}
}

func notFoundInGraph(id string) *graphError {
	return &graphError{http.StatusNotFound, "Request_ResourceNotFound",
		"Resource '" + id + "' does not exist or one of its queried reference-property objects are not present."}
}

// graph serves Microsoft Graph. Any token of this server for Graph grants access, without further
// permissions. The token determines the tenant.
func (s *Server) graph(c *call) *reply {
	status, body, no := s.graphReply(c)
	if no != nil {
		status, body = no.status, map[string]any{"error": map[string]any{
			"code": no.code, "message": no.message, "innerError": map[string]string{
				"date": c.now.UTC().Format("2006-01-02T15:04:05"), "request-id": c.traceID, "client-request-id": c.CorrelationID,
			},
		}}
	}
	if body == nil {
		return newReply(c, status, nil)
	}
	return newJSONReply(c, status, body)
}

func (s *Server) graphReply(c *call) (status int, body any, no *graphError) {
	token, _ := strings.CutPrefix(c.Header.Get("Authorization"), "Bearer ")
	claims, err := s.VerifyToken(token, "")
	tenant, _ := claims["tid"].(string)
	audience, _ := claims["aud"].(string)
	if err != nil || !slices.Contains(graphAudiences, audience) {
		return 0, nil, &graphError{http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience, signature or lifetime."}
	}
	g := &graphCall{call: c, tenant: tenant, path: graphPathOf(c.Path)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if home := s.directory[tenant]; home != nil {
		g.identities = home.identities
	}
	if g.path[2] == "" && g.path[3] == "" {
		return g.applications()
	}
	if g.who = g.application(); g.who == nil {
		return 0, nil, notFoundInGraph(cmp.Or(g.path[2], g.path[3]))
	}
	switch {
	case g.path[4] == "":
		return g.only(http.MethodGet, func() any { return g.describe(g.who) })
	case g.path[5] == "":
		return g.collection(s)
	}
	return g.item(s)
}

// graphCall is a call to Microsoft Graph. It is served with the server's lock held.
type graphCall struct {
	*call
	tenant     string
	path       []string // the groups of graphPath
	identities map[string]*identity
	who        *identity
}

// only serves a resource that supports a single method.
func (g *graphCall) only(method string, read func() any) (int, any, *graphError) {
	if g.Method != method {
		return 0, nil, &graphError{http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."}
	}
	return http.StatusOK, read(), nil
}

func (g *graphCall) describe(who *identity) graphApplication {
	return graphApplication{applicationID(g.tenant, who), who.clientID, who.clientID}
}

func applicationID(tenant string, who *identity) string {
	return guidOf("application", tenant, strings.ToLower(who.clientID))
}

// application returns the application that the path names, or nil. An agent identity is not an
// application.
func (g *graphCall) application() *identity {
	for _, who := range g.identities {
		if who.blueprint == "" && (strings.EqualFold(who.clientID, g.path[2]) || strings.EqualFold(applicationID(g.tenant, who), g.path[3])) {
			return who
		}
	}
	return nil
}

func (g *graphCall) applications() (int, any, *graphError) {
	if g.path[4] != "" {
		return 0, nil, &graphError{http.StatusBadRequest, "BadRequest", // Azure/azure-cli#25291
			"The request URI is not valid. Since the segment 'applications' refers to a collection, this must be the last segment in the request URI."}
	}
	filter, only := g.query.Get("$filter"), ""
	if filter != "" {
		found := filterForm.FindStringSubmatch(filter)
		if found == nil {
			return 0, nil, &graphError{http.StatusBadRequest, "Request_UnsupportedQuery", "This fake supports no filter except \"appId eq '…'\"."}
		}
		only = found[1]
	}
	return g.only(http.MethodGet, func() any {
		found := []graphApplication{}
		for _, who := range g.identities {
			if who.blueprint == "" && (filter == "" || strings.EqualFold(who.clientID, only)) {
				found = append(found, g.describe(who))
			}
		}
		slices.SortFunc(found, func(a, b graphApplication) int { return strings.Compare(a.AppID, b.AppID) })
		return map[string]any{"@odata.context": g.context("applications"), "value": found}
	})
}

func (g *graphCall) context(of string) string {
	return g.base + "/" + g.path[1] + "/$metadata#" + of
}

func (g *graphCall) credentials() string {
	return "applications('" + applicationID(g.tenant, g.who) + "')/federatedIdentityCredentials"
}

// collection lists the credentials or creates one.
func (g *graphCall) collection(s *Server) (int, any, *graphError) {
	if g.Method != http.MethodPost {
		return g.only(http.MethodGet, func() any {
			found := []graphCredential{}
			for _, t := range g.who.credentials {
				found = append(found, g.show(t))
			}
			return map[string]any{"@odata.context": g.context(g.credentials()), "value": found}
		})
	}
	made := trusted{FederatedCredential: FederatedCredential{TenantID: g.tenant, ClientID: g.who.clientID}, id: newGUID()}
	if no := g.write(s, &made); no != nil {
		return 0, nil, no
	}
	g.who.credentials = append(g.who.credentials, made)
	shown := g.show(made)
	shown.Context = g.context(g.credentials() + "/$entity")
	return http.StatusCreated, shown, nil
}

// item reads, changes or deletes one credential.
func (g *graphCall) item(s *Server) (int, any, *graphError) {
	at := slices.IndexFunc(g.who.credentials, func(t trusted) bool { return strings.EqualFold(t.id, g.path[5]) || t.Name == g.path[5] && t.Name != "" })
	if at < 0 {
		return 0, nil, notFoundInGraph(g.path[5])
	}
	switch g.Method {
	case http.MethodPatch:
		changed := g.who.credentials[at]
		if no := g.write(s, &changed); no != nil {
			return 0, nil, no
		}
		g.who.credentials[at] = changed
		return http.StatusNoContent, nil, nil
	case http.MethodDelete:
		g.who.credentials = slices.Delete(g.who.credentials, at, at+1)
		return http.StatusNoContent, nil, nil
	}
	return g.only(http.MethodGet, func() any {
		shown := g.show(g.who.credentials[at])
		shown.Context = g.context(g.credentials() + "/$entity")
		return shown
	})
}

func (g *graphCall) show(t trusted) graphCredential {
	return graphCredential{ID: t.id, Name: t.Name, Issuer: t.Issuer, Subject: t.Subject, Audiences: t.Audiences, Description: t.description}
}

// write updates a credential from the body. Members that are not in the body stay the same.
func (g *graphCall) write(s *Server, t *trusted) *graphError {
	as := g.show(*t)
	as.Audiences, as.Description = nil, nil // otherwise decoding would overwrite those of t
	decoder := json.NewDecoder(bytes.NewReader(g.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&as); err != nil {
		return badGraphRequest("The body is not a federatedIdentityCredential: " + err.Error())
	}
	if as.Audiences == nil {
		as.Audiences = t.Audiences
	}
	as.Description = cmp.Or(as.Description, t.description)
	switch {
	case as.Name == "":
		return badGraphRequest("Name is required.")
	case t.Name != "" && as.Name != t.Name:
		return badGraphRequest("Name is immutable and cannot be changed after creation.")
	}
	t.Name, t.Issuer, t.Subject, t.Audiences, t.description = as.Name, as.Issuer, as.Subject, as.Audiences, as.Description
	t.since = time.Now().Add(s.PropagationDelay)
	if err := t.validate(); err != nil {
		return &graphError{http.StatusBadRequest, "InvalidFederatedIdentityCredentialValue", err.Error()}
	}
	return conflictInGraph(g.who.conflict(*t), t)
}

// conflictInGraph reports a conflict in the words of recorded replies (Azure/azure-dev#1482,
// Azure/azure-workload-identity#434).
func conflictInGraph(err error, t *trusted) *graphError {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errSameName):
		return &graphError{http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue", "FederatedIdentityCredential with name " + t.Name + " already exists."}
	case errors.Is(err, errSameSubject):
		return &graphError{http.StatusBadRequest, "InvalidFederatedIdentityCredentialValue",
			"The combination of issuer and subject must be unique for the application. Issuer " + t.Issuer + " and Subject: " + t.Subject + " already exist."}
	}
	return badGraphRequest(err.Error())
}
