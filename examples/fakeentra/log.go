package main

import (
	"bytes"
	"encoding/json"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/entrafed/entrafed/internal/redact"
)

// maxLine bounds what is logged of a request, in bytes.
const maxLine = 500

// logged logs each request on one line when it has been answered.
func logged(to *log.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, seen := time.Now(), &witness{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		took := time.Since(start).Round(10 * time.Microsecond)
		line := strings.TrimSpace(strings.Join([]string{r.Method, r.URL.EscapedPath(), strconv.Itoa(seen.status), took.String(), seen.reason()}, " "))
		tokens := redact.New("") // a client can send one anywhere, and Entra ID quotes some fields in its errors
		to.Print(tokens.Text(tokens.Clean(line), maxLine))
	})
}

// witness keeps the status and, of a refusal, the body. Success bodies hold tokens.
type witness struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
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

// reason returns why Entra ID refused, up to the IDs at its end.
func (w *witness) reason() string {
	var refusal struct {
		Description string `json:"error_description"`
	}
	if json.Unmarshal(w.body.Bytes(), &refusal) != nil {
		return "" // a success, or not Entra ID's
	}
	text, _, _ := strings.Cut(refusal.Description, " Trace ID: ")
	if cause := w.Header().Get("X-Entratest-Cause"); cause != "" {
		text += " (" + cause + ")"
	}
	return text
}
