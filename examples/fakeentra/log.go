package main

import (
	"bytes"
	"encoding/json"
	"log"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// logged logs each request on one line when it has been answered.
func logged(to *log.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, seen := time.Now(), &witness{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		took := time.Since(start).Round(10 * time.Microsecond)
		to.Print(printable(strings.Join([]string{r.Method, r.URL.EscapedPath(), strconv.Itoa(seen.status), took.String(), seen.reason()}, " ")))
	})
}

// tokenForm finds JSON Web Tokens: a client can send one anywhere, and Entra ID quotes some fields in its errors.
var tokenForm = regexp.MustCompile(`eyJ[\w-]{8,}[\w.-]*`)

// printable makes one line of what strangers send, without tokens and of bounded length.
func printable(line string) string {
	line = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, tokenForm.ReplaceAllString(line, "[token]"))
	line = strings.TrimSpace(line)
	const most = 500
	if cut := []rune(line); len(cut) > most {
		return string(cut[:most]) + "…"
	}
	return line
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
