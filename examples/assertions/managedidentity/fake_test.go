package managedidentity_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/entrafed/entrafed/examples/assertions/internal/issuer"
)

const (
	homeTenant  = "99999999-8888-4777-8666-555555555555"
	identity    = "77777777-6666-4555-8444-333333333333" // client ID
	principalID = "00001111-aaaa-4222-8bbb-3333cccc4444"
	tokenPath   = "/metadata/identity/oauth2/token"
)

// fakeIMDS is the metadata service of a machine that the identity is assigned to. It answers the documented request and
// refuses any other, in the documented words where there are some.
type fakeIMDS struct {
	server *httptest.Server

	mu     sync.Mutex
	issued []string         // tokens, in order
	reply  http.HandlerFunc // instead of a token, if not nil
}

func newFakeIMDS() *fakeIMDS {
	f := &fakeIMDS{}
	f.server = httptest.NewServer(f)
	return f
}

func (f *fakeIMDS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	one := func(name string) bool { return len(query[name]) == 1 && query.Get(name) != "" }
	switch {
	case r.URL.Path != tokenPath:
		w.WriteHeader(http.StatusNotFound)
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.Header.Get("Metadata") != "true":
		refuse(w, "bad_request_102", "Required metadata header not specified")
	case len(query) != 3 || !one("api-version") || !one("resource") || !one("client_id"):
		refuse(w, "invalid_request", "The request is missing a required parameter, includes an invalid parameter value, includes a parameter more than once, or is otherwise malformed.")
	case query.Get("api-version") != "2018-02-01":
		refuse(w, "invalid_request", "Invalid api-version")
	case query.Get("client_id") != identity:
		refuse(w, "invalid_request", "Identity not found")
	default:
		f.issue(w, r)
	}
}

func refuse(w http.ResponseWriter, code, description string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description})
}

func (f *fakeIMDS) issue(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reply != nil {
		f.reply(w, r)
		return
	}
	resource := r.URL.Query().Get("resource")
	token, err := issuer.Token("https://login.microsoftonline.com/"+homeTenant+"/v2.0", principalID, resource)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	f.issued = append(f.issued, token)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	now := time.Now().Unix()
	_ = json.NewEncoder(w).Encode(map[string]string{
		"access_token": token, "refresh_token": "", "resource": resource, "token_type": "Bearer",
		"expires_in": "299", "expires_on": strconv.FormatInt(now+299, 10), "not_before": strconv.FormatInt(now, 10),
	})
}

// tokens returns what was issued so far.
func (f *fakeIMDS) tokens() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.issued)
}

// answer replaces the reply to the right request.
func (f *fakeIMDS) answer(reply http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reply = reply
}
