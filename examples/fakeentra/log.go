package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entrafed/entrafed/internal/redact"
)

// maxLine bounds a log line, in bytes.
const maxLine = 500

// logged logs each request on one line when it is finished.
func logged(to *log.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, seen, secrets := time.Now(), &witness{ResponseWriter: w, status: http.StatusOK}, secretsOf(r)
		defer func() { // also for dropped connections
			took := time.Since(start).Round(10 * time.Microsecond)
			line := strings.TrimSpace(strings.Join([]string{r.Method, r.URL.EscapedPath(), seen.outcome(), took.String(), seen.reason()}, " "))
			tokens := redact.New(secrets...) // clients can send them anywhere, and Entra ID's errors quote some fields
			to.Print(tokens.Text(tokens.Clean(line), maxLine))
		}()
		next.ServeHTTP(seen, r)
	})
}

// plainFields are the fields of a token request that hold no secret.
var plainFields = []string{
	"grant_type", "client_id", "client_assertion_type", "client_info", "scope", "resource", "claims", "requested_token_use", "fmi_path", "username", "user_id",
}

// secretsOf returns the values of all other fields, which must not be logged. The body can still be
// read afterwards.
func secretsOf(r *http.Request) []string {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // the fake's own limit; it meets a read error again
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	form, _ := url.ParseQuery(string(body))
	secrets := []string{r.Header.Get("Authorization")}
	for name, values := range form {
		if !slices.Contains(plainFields, name) {
			secrets = append(secrets, values...)
		}
	}
	return secrets
}

// witness records the status and the body of a refusal. It does not keep successful replies,
// because they hold tokens.
type witness struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	lost   error // why there was no reply
}

func (w *witness) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *witness) Write(p []byte) (int, error) {
	if w.status >= http.StatusBadRequest {
		w.body.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

func (w *witness) outcome() string {
	if w.lost != nil {
		return "dropped"
	}
	return strconv.Itoa(w.status)
}

// reason returns Entra ID's error text without the IDs at its end, or why there was no reply.
func (w *witness) reason() string {
	if w.lost != nil {
		return w.lost.Error()
	}
	var refusal struct {
		Description string `json:"error_description"`
	}
	if json.Unmarshal(w.body.Bytes(), &refusal) != nil {
		return "" // a success, or not from Entra ID
	}
	text, _, _ := strings.Cut(refusal.Description, " Trace ID: ")
	if cause := w.Header().Get("X-Entratest-Cause"); cause != "" {
		text += " (" + cause + ")"
	}
	return text
}
