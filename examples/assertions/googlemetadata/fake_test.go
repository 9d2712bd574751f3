package googlemetadata_test

import (
	"net/http"
	"net/http/httptest"

	"github.com/entrafed/entrafed/examples/assertions/internal/issuer"
)

const (
	issuerURL = "https://accounts.google.com"
	subject   = "107517467455664443765" // a service account's unique ID
	tokenPath = "/computeMetadata/v1/instance/service-accounts/default/identity"
)

// fakeServer is the metadata server of an instance with a service account. It accepts the
// documented request and refuses any other.
type fakeServer struct {
	issuer.Issuer
	server *httptest.Server
	reply  http.HandlerFunc // replaces the token in reply to a valid request; set before it
}

func newFakeServer() *fakeServer {
	f := &fakeServer{}
	f.server = httptest.NewServer(f)
	return f
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	w.Header().Set("Metadata-Flavor", "Google")
	switch {
	case r.Header.Get("Metadata-Flavor") != "Google" || r.Header.Get("X-Forwarded-For") != "":
		w.WriteHeader(http.StatusForbidden)
	case r.URL.Path != tokenPath:
		w.WriteHeader(http.StatusNotFound)
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case len(query) != 1 || len(query["audience"]) != 1 || query.Get("audience") == "":
		w.WriteHeader(http.StatusBadRequest)
	case f.reply != nil:
		f.reply(w, r)
	default:
		f.issue(w, query.Get("audience"))
	}
}

func (f *fakeServer) issue(w http.ResponseWriter, audience string) {
	token, err := f.Token(issuerURL, subject, audience)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte(token))
}
