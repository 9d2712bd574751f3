package entratest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// administrator calls Microsoft Graph for the tenant contoso.
type administrator struct {
	*entratest.Server
	token string
}

func administering(t *testing.T, s *entratest.Server) administrator {
	t.Helper()
	return administrator{s, userToken(t, s, func(u *entratest.UserToken) { u.Audience = "https://graph.microsoft.com/" })}
}

func (a administrator) call(t *testing.T, method, path, body string) (status int, reply map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://graph.microsoft.com"+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+a.token)
	r.Header.Set("Content-Type", "application/json")
	response, text := do(t, a.Server, r)
	if text == "" {
		return response.StatusCode, nil
	}
	return response.StatusCode, decode[map[string]any](t, text)
}

// application returns the path of the application that a good attempt uses.
func (a administrator) application(t *testing.T) string {
	t.Helper()
	_, found := a.call(t, http.MethodGet, "/v1.0/applications?$filter=appId%20eq%20'"+clientID+"'", "")
	require.Len(t, found["value"], 1)
	return "/v1.0/applications/" + found["value"].([]any)[0].(map[string]any)["id"].(string)
}

const emitted = `{"name": "shop-checkout", "issuer": "` + entratest.DefaultIssuer + `", "subject": "` + subject + `", "audiences": ["` + audience + `"]}`

// A credential works from its creation until its deletion.
func TestGraphManagesFederatedCredentials(t *testing.T) {
	var s entratest.Server
	var cluster entratest.Cluster
	require.NoError(t, s.TrustCluster(&cluster))
	require.NoError(t, s.AddApplication("contoso", clientID))
	graph := administering(t, &s)
	credentials := graph.application(t) + "/federatedIdentityCredentials"
	assert.Equal(t, 70025, codeOf(t, &s, inCluster(t, &cluster)))

	status, made := graph.call(t, http.MethodPost, credentials, emitted)
	require.Equal(t, http.StatusCreated, status, made)
	assert.Equal(t, "https://graph.microsoft.com/v1.0/$metadata#applications('"+strings.Split(credentials, "/")[3]+"')/federatedIdentityCredentials/$entity", made["@odata.context"])
	for member, value := range map[string]any{"name": "shop-checkout", "issuer": entratest.DefaultIssuer, "subject": subject, "audiences": []any{audience}, "description": nil} {
		assert.Equal(t, value, made[member], member)
	}
	assert.Zero(t, codeOf(t, &s, inCluster(t, &cluster)))

	id := made["id"].(string)
	delete(made, "@odata.context")
	_, list := graph.call(t, http.MethodGet, credentials, "")
	assert.Equal(t, []any{made}, list["value"])
	for _, same := range []string{id, strings.ToUpper(id), "shop-checkout"} {
		_, one := graph.call(t, http.MethodGet, credentials+"/"+same, "")
		assert.Equal(t, id, one["id"])
	}

	status, _ = graph.call(t, http.MethodPatch, credentials+"/"+id, `{"subject": "system:serviceaccount:shop:cart", "description": "moved"}`)
	require.Equal(t, http.StatusNoContent, status)
	assert.Equal(t, 700213, codeOf(t, &s, inCluster(t, &cluster)))
	_, one := graph.call(t, http.MethodGet, credentials+"/"+id, "")
	assert.Equal(t, "moved", one["description"])
	assert.Equal(t, []any{audience}, one["audiences"], "members that are not sent stay the same")

	status, _ = graph.call(t, http.MethodDelete, credentials+"/"+id, "")
	require.Equal(t, http.StatusNoContent, status)
	assert.Equal(t, 70025, codeOf(t, &s, inCluster(t, &cluster)))
	_, list = graph.call(t, http.MethodGet, credentials, "")
	assert.Empty(t, list["value"])
}

func TestGraphFindsApplicationsByEitherID(t *testing.T) {
	a := newAgency(t)
	graph := administering(t, a.Server)
	_, all := graph.call(t, http.MethodGet, "/beta/applications", "")
	require.Len(t, all["value"], 2, "agents are not applications")
	_, first := graph.call(t, http.MethodGet, graph.application(t), "")
	assert.Equal(t, clientID, first["appId"])
	_, same := graph.call(t, http.MethodGet, "/v1.0/applications(appId='"+clientID+"')", "")
	assert.Equal(t, first, same)
	_, none := graph.call(t, http.MethodGet, "/v1.0/applications?$filter=appId%20eq%20'"+agentID+"'", "")
	assert.Empty(t, none["value"])
}

func TestGraphRefuses(t *testing.T) {
	s := trusting(t)
	first := federated()
	first.Name, first.Subject = "first", "first"
	require.NoError(t, s.Trust(first))
	graph := administering(t, s)
	application := graph.application(t)
	credentials := application + "/federatedIdentityCredentials"
	with := func(member, value string) string {
		return strings.Replace(emitted, `"`+member+`": `, `"`+member+`": `+value+`, "was": `, 1)
	}
	replaced := func(text, by string) string { return strings.Replace(emitted, text, by, 1) }
	for name, row := range map[string]struct {
		method, path, body string
		status             int
		code, message      string
	}{
		"unknown application":     {"GET", "/v1.0/applications/x/federatedIdentityCredentials", "", 404, "Request_ResourceNotFound", "Resource 'x' does not exist"},
		"unknown appId":           {"GET", "/v1.0/applications(appId='x')", "", 404, "Request_ResourceNotFound", "Resource 'x' does not exist"},
		"unknown credential":      {"DELETE", credentials + "/x", "", 404, "Request_ResourceNotFound", "Resource 'x' does not exist"},
		"unknown filter":          {"GET", "/v1.0/applications?$filter=displayName%20eq%20'x'", "", 400, "Request_UnsupportedQuery", "appId eq"},
		"no application":          {"GET", "/v1.0/applications/federatedIdentityCredentials/x", "", 400, "BadRequest", "this must be the last segment"},
		"application deleted":     {"DELETE", application, "", 405, "Request_BadRequest", "method is not allowed"},
		"credential put":          {"PUT", credentials + "/first", emitted, 405, "Request_BadRequest", "method is not allowed"},
		"collection patched":      {"PATCH", credentials, emitted, 405, "Request_BadRequest", "method is not allowed"},
		"not JSON":                {"POST", credentials, "name=x", 400, "Request_BadRequest", "not a federatedIdentityCredential"},
		"unknown member":          {"POST", credentials, with("issuer", `"x"`), 400, "Request_BadRequest", `unknown field "was"`},
		"no name":                 {"POST", credentials, replaced("shop-checkout", ""), 400, "Request_BadRequest", "Name is required."},
		"malformed name":          {"POST", credentials, replaced("shop-checkout", "shop.checkout"), 400, "InvalidFederatedIdentityCredentialValue", "does not have the form"},
		"plain HTTP":              {"POST", credentials, replaced("https:", "http:"), 400, "InvalidFederatedIdentityCredentialValue", "not an https URL"},
		"two audiences":           {"POST", credentials, replaced(`"api:`, `"a", "api:`), 400, "InvalidFederatedIdentityCredentialValue", "2 Audiences"},
		"name is taken":           {"POST", credentials, replaced("shop-checkout", "first"), 409, "Request_MultipleObjectsWithSameKeyValue", "FederatedIdentityCredential with name first already exists."},
		"subject is taken":        {"POST", credentials, replaced(entratest.DefaultIssuer, issuerURL), 400, "InvalidFederatedIdentityCredentialValue", "The combination of issuer and subject must be unique"},
		"name changed":            {"PATCH", credentials + "/first", `{"name":"second","audiences":["x"],"description":"x"}`, 400, "Request_BadRequest", "Name is immutable"},
		"subject taken by change": {"PATCH", credentials + "/first", `{"subject":"` + subject + `"}`, 400, "InvalidFederatedIdentityCredentialValue", "must be unique"},
	} {
		t.Run(name, func(t *testing.T) {
			_, before := graph.call(t, http.MethodGet, credentials, "")

			status, reply := graph.call(t, row.method, row.path, row.body)

			assert.Equal(t, row.status, status, reply)
			found, _ := reply["error"].(map[string]any)
			assert.Equal(t, row.code, found["code"])
			assert.Contains(t, found["message"], row.message)
			_, after := graph.call(t, http.MethodGet, credentials, "")
			assert.Equal(t, before, after, "nothing changed")
		})
	}
}

func TestGraphRequiresATokenForGraph(t *testing.T) {
	s := trusting(t)
	for name, token := range map[string]string{
		"none": "", "for another API": userToken(t, s), "expired": userToken(t, s, func(u *entratest.UserToken) {
			u.Audience, u.Lifetime = "https://graph.microsoft.com", -time.Minute
		}),
	} {
		status, reply := administrator{s, token}.call(t, http.MethodGet, "/v1.0/applications", "")
		assert.Equal(t, http.StatusUnauthorized, status, name)
		assert.Equal(t, "InvalidAuthenticationToken", reply["error"].(map[string]any)["code"], name)
	}
	elsewhere := userToken(t, s, func(u *entratest.UserToken) { u.Audience, u.TenantID = "https://graph.microsoft.com", "fabrikam" })
	_, none := administrator{s, elsewhere}.call(t, http.MethodGet, "/v1.0/applications", "")
	assert.Empty(t, none["value"], "a tenant sees only its own applications")
	assert.Equal(t, entratest.KindGraph, s.Requests()[0].Kind)
}

func TestGraphCredentialsPropagateAndAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.Server{PropagationDelay: time.Minute}
		var cluster entratest.Cluster
		require.NoError(t, s.TrustCluster(&cluster))
		require.NoError(t, s.AddApplication("contoso", clientID))
		graph := administering(t, &s)
		credentials := graph.application(t) + "/federatedIdentityCredentials"
		for n := range 21 {
			body := strings.NewReplacer("shop-checkout", fmt.Sprint("name-", n), subject, fmt.Sprint("subject-", n)).Replace(emitted)
			if n == 0 {
				body = emitted
			}
			status, reply := graph.call(t, http.MethodPost, credentials, body)
			if n < 20 {
				require.Equal(t, http.StatusCreated, status, reply)
				continue
			}
			assert.Equal(t, http.StatusBadRequest, status)
			assert.Contains(t, fmt.Sprint(reply), "already has 20 federated credentials")
		}
		assert.Equal(t, 70025, codeOf(t, &s, inCluster(t, &cluster)))
		time.Sleep(time.Minute)
		assert.Zero(t, codeOf(t, &s, inCluster(t, &cluster)))
	})
}

// A blueprint's credential is created under its own type.
func TestGraphCreatesABlueprintsFederatedCredential(t *testing.T) {
	var s entratest.Server
	var cluster entratest.Cluster
	require.NoError(t, s.TrustCluster(&cluster))
	require.NoError(t, s.AddAgent(entratest.Agent{TenantID: "contoso", BlueprintID: clientID, ClientID: "agent"}))
	graph := administering(t, &s)
	path := strings.Replace(graph.application(t), "/v1.0/", "/beta/", 1) + "/microsoft.graph.agentIdentityBlueprint/federatedIdentityCredentials"
	status, made := graph.call(t, http.MethodPost, path, emitted)
	require.Equal(t, http.StatusCreated, status, made)
	status, _ = graph.call(t, http.MethodPost, strings.Replace(path, "/beta/", "/v1.0/", 1), emitted)
	assert.Equal(t, http.StatusNotFound, status, "only beta has blueprints")
	assert.Zero(t, codeOf(t, &s, with(with(inCluster(t, &cluster), "fmi_path", "agent"), "scope", "api://AzureADTokenExchange/.default")))
}
