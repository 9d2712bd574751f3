package azurepipelines_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"

	"github.com/entrafed/entrafed/examples/assertions/internal/issuer"
)

const (
	issuerURL  = "https://login.microsoftonline.com/99999999-8888-4777-8666-555555555555/v2.0"
	subject    = "/eid1/c/pub/t/iIiZmYiId0eGZlVVVVVVVQ/a/SZyELZlZ8kaaaaaaaaaaaa/sc/org-id/connection-id"
	connection = "22222222-3333-4444-8555-666666666666"
	jobToken   = "job-token-that-is-secret"
	tokenPath  = "/org/project-id/_apis/distributedtask/hubs/build/plans/plan-id/jobs/job-id/oidctoken"
)

// fakePipelines is the service that issues a service connection's token to a job. It accepts the
// documented request and refuses any other.
type fakePipelines struct {
	issuer.Issuer
	server *httptest.Server
	reply  http.HandlerFunc // replaces the token in reply to a valid request; set before it
}

func newFakePipelines() *fakePipelines {
	f := &fakePipelines{}
	f.server = httptest.NewTLSServer(f)
	return f
}

// environment returns the environment of a step that maps the job's token.
func (f *fakePipelines) environment() map[string]string {
	return map[string]string{
		"SYSTEM_OIDCREQUESTURI": f.server.URL + tokenPath,
		"SYSTEM_ACCESSTOKEN":    jobToken,
	}
}

func (f *fakePipelines) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	one := func(name, value string) bool { return len(query[name]) == 1 && query.Get(name) == value }
	switch {
	case r.Header.Get("Authorization") != "Bearer "+jobToken:
		if r.Header.Get("X-TFS-FedAuthRedirect") != "Suppress" {
			http.Redirect(w, r, "https://login.microsoftonline.com/", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path != tokenPath:
		w.WriteHeader(http.StatusNotFound)
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case len(query) != 2 || !one("api-version", "7.1") || len(query["serviceConnectionId"]) != 1:
		w.WriteHeader(http.StatusBadRequest)
	case !one("serviceConnectionId", connection):
		w.WriteHeader(http.StatusForbidden)
	case f.reply != nil:
		f.reply(w, r)
	default:
		f.issue(w)
	}
}

func (f *fakePipelines) issue(w http.ResponseWriter) {
	token, err := f.Token(issuerURL, subject, "api://AzureADTokenExchange")
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8; api-version=7.1")
	_ = json.NewEncoder(w).Encode(map[string]string{"oidcToken": token})
}
