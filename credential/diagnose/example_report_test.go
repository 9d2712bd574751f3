package diagnose_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/exchange/entratest"
)

// A program's -diagnose flag can branch on the verdict.
func ExampleRun() {
	report := diagnose.Run(context.Background(), inPod(new(entratest.Server), new(entratest.Cluster))) // in a pod: nil
	switch report.Verdict {
	case diagnose.OK:
		fmt.Println("this pod can sign in")
	case diagnose.Misconfigured:
		fmt.Println("fix this:", report)
	case diagnose.Transient:
		fmt.Println("it may clear up on its own:", report)
	}
	// Output: this pod can sign in
}

// With a resource, Run also tries the token there.
func ExampleRun_resource() {
	options := inPod(new(entratest.Server), new(entratest.Cluster))
	options.Resource = "https://orders.vault.azure.net/secrets/greeting?api-version=7.4"
	issuer := options.HTTPClient.Transport
	options.HTTPClient.Transport = roundTrip(func(r *http.Request) (*http.Response, error) { // a fake resource
		if r.URL.Host == "orders.vault.azure.net" {
			return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody, Request: r}, nil
		}
		return issuer.RoundTrip(r)
	})
	for _, link := range diagnose.Run(context.Background(), options).Faults() {
		fmt.Println(link.Name+":", link.Findings[0].Problem)
	}
	// Output: resource: the resource accepts the token, but the identity is not allowed to do this
}

// A program can branch on the link that failed, and on whether the failure may clear up on its own.
func ExampleReport_Faults() {
	var entra entratest.Server
	entra.SetReply(new(entratest.Unavailable(time.Minute)))
	report := diagnose.Run(context.Background(), inPod(&entra, new(entratest.Cluster))) // in a pod: nil
	for _, link := range report.Faults() {
		fmt.Println(link.Name, link.Transient)
	}
	// Output: federated credential true
}

// The text starts each link's line with a mark.
func ExampleReport_WriteText() {
	report := diagnose.Run(context.Background(), inPod(new(entratest.Server), new(entratest.Cluster))) // in a pod: nil
	var text strings.Builder
	if err := report.WriteText(&text, false); err != nil { // on a terminal: report.WriteText(os.Stdout, true)
		log.Fatal(err)
	}
	fmt.Println(strings.Count(text.String(), "✔"), "links are fine,", strings.Count(text.String(), "✘"), "failed")
	// Output: 6 links are fine, 0 failed
}

// The page can be attached to a ticket: it is self-contained and loads nothing.
func ExampleReport_WriteHTML() {
	dir, err := os.MkdirTemp("", "report") // in a test: t.TempDir()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file, err := os.Create(filepath.Join(dir, "report.html"))
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	report := diagnose.Run(context.Background(), inPod(new(entratest.Server), new(entratest.Cluster))) // in a pod: nil
	if err := report.WriteHTML(file); err != nil {
		log.Fatal(err)
	}
	page, err := os.ReadFile(file.Name())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.HasPrefix(page, []byte("<!DOCTYPE html>")), bytes.Contains(page, []byte("<script")))
	// Output: true false
}

// JSON is for programs that show the report to people. Names, marks and verdicts are constants;
// texts may change.
func ExampleReport() {
	report := diagnose.Run(context.Background(), inPod(new(entratest.Server), new(entratest.Cluster))) // in a pod: nil
	data, err := json.Marshal(report)
	if err != nil {
		log.Fatal(err)
	}
	var shown struct {
		Verdict string
		Links   []struct{ Name, Mark string }
	}
	if err := json.Unmarshal(data, &shown); err != nil {
		log.Fatal(err)
	}
	fmt.Println(shown.Verdict, shown.Links[0])
	// Output: ok {environment ok}
}

// The brief text has one line for each link that works.
func ExampleReport_WriteBrief() {
	report := diagnose.Run(context.Background(), inPod(new(entratest.Server), new(entratest.Cluster))) // in a pod: nil
	var text strings.Builder
	if err := report.WriteBrief(&text, false); err != nil {
		log.Fatal(err)
	}
	first, _, _ := strings.Cut(text.String(), " (")
	fmt.Println(first)
	// Output: ✔  environment            everything needed to sign in is set
}
