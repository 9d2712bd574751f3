package githubactions_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/entrafed/entrafed/examples/assertions/internal/issuer"
)

const (
	issuerURL    = "https://token.actions.githubusercontent.com"
	subject      = "repo:octo-org@123456/octo-repo@456789:environment:production"
	requestToken = "request-token-that-is-secret"
	tokenPath    = "/oidctoken/jobs/7"
)

// fakeActions is the service that issues a job's token. It accepts the request of GitHub's own
// client and refuses any other.
type fakeActions struct {
	issuer.Issuer
	server *httptest.Server
	reply  http.HandlerFunc // replaces the token in reply to a valid request; set before it
}

func newFakeActions() *fakeActions {
	f := &fakeActions{}
	f.server = httptest.NewTLSServer(f)
	return f
}

// environment returns what the runner sets for a job with permissions: id-token: write. The URL has
// a query.
func (f *fakeActions) environment() map[string]string {
	return map[string]string{
		"ACTIONS_ID_TOKEN_REQUEST_URL":   f.server.URL + tokenPath + "?api-version=2.0",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN": requestToken,
	}
}

func (f *fakeActions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	query := r.URL.Query()
	switch {
	case r.Method != http.MethodGet || r.URL.Path != tokenPath:
		http.Error(w, "", http.StatusNotFound)
	case !strings.EqualFold(scheme, "bearer") || token != requestToken:
		http.Error(w, "", http.StatusUnauthorized)
	case len(query) != 2 || !slices.Equal(query["api-version"], []string{"2.0"}) || len(query["audience"]) != 1 || query.Get("audience") == "":
		http.Error(w, "", http.StatusBadRequest)
	case f.reply != nil:
		f.reply(w, r)
	default:
		f.issue(w, r)
	}
}

func (f *fakeActions) issue(w http.ResponseWriter, r *http.Request) {
	token, err := f.Token(issuerURL, subject, r.URL.Query().Get("audience"))
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(map[string]any{"count": len(token), "value": token})
}
