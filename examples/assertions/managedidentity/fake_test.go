package managedidentity_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/entrafed/entrafed/examples/assertions/internal/issuer"
)

const (
	homeTenant  = "99999999-8888-4777-8666-555555555555"
	identity    = "77777777-6666-4555-8444-333333333333" // client ID
	principalID = "00001111-aaaa-4222-8bbb-3333cccc4444"
	tokenPath   = "/metadata/identity/oauth2/token"
)

// fakeIMDS is the metadata service of a machine that has the identity. It accepts the documented
// request and refuses any other, with the documented error where there is one.
type fakeIMDS struct {
	issuer.Issuer
	server *httptest.Server
	reply  http.HandlerFunc // replaces the token in reply to a valid request; set before it
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
	case f.reply != nil:
		f.reply(w, r)
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
	resource := r.URL.Query().Get("resource")
	token, err := f.Token("https://login.microsoftonline.com/"+homeTenant+"/v2.0", principalID, resource)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	now := time.Now().Unix()
	_ = json.NewEncoder(w).Encode(map[string]string{
		"access_token": token, "refresh_token": "", "resource": resource, "token_type": "Bearer",
		"expires_in": "299", "expires_on": strconv.FormatInt(now+299, 10), "not_before": strconv.FormatInt(now, 10),
	})
}
