package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "record what the pictures in docs show; examples/doctor/pictures does it")

// varying matches what differs between two reports about one setup: times, durations, IDs, key IDs
// and temporary folders.
var varying = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:]+Z|<1ms|&lt;1ms|\b(?:\d+h)?(?:\d+m)?[\d.]+(?:s|ms|µs)\b|less than a second|[0-9a-f]{8}-[0-9a-f-]{27}|[\w-]{43}|/\S*doctor-\d+`)

// The pictures in docs are not older than the report and the page that they show.
func TestPicturesShowWhatTheDoctorPrints(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.html")
	_, report, errs := doctor(t, "-fake", "another-namespace", "-html", page)
	require.Empty(t, errs)
	html, err := os.ReadFile(page)
	require.NoError(t, err)
	steady := func(text string) string {
		return strings.Join(strings.Fields(varying.ReplaceAllString(text, "…")), " ")
	}
	lines := []string{steady(report), fmt.Sprintf("%x  page", sha256.Sum256([]byte(steady(string(html)))))}
	for _, name := range []string{"doctor-text.png", "doctor-page.png"} {
		picture, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		require.NoError(t, err)
		lines = append(lines, fmt.Sprintf("%x  %s", sha256.Sum256(picture), name))
	}
	shown := strings.Join(lines, "\n") + "\n"

	record := filepath.Join("testdata", "pictures.txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(record, []byte(shown), 0o644))
	}
	recorded, err := os.ReadFile(record)
	require.NoError(t, err)
	require.Equal(t, string(recorded), shown, "the pictures in docs are older than what they show: run examples/doctor/pictures")
}
