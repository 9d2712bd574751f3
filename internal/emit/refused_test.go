package emit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/emit/emittest"
)

func TestForms(t *testing.T) {
	assert.Equal(t, []string{"az", "azwi", "bicep", "terraform", "graph", "portal", "kubernetes"}, emit.Forms())
}

func TestUnknownForm(t *testing.T) {
	for _, form := range []string{"", "AZ", "pulumi"} {
		assert.ErrorContains(t, emit.Write(&strings.Builder{}, form, emittest.Ordinary), "the forms are az, azwi, bicep, terraform, graph, portal, kubernetes")
	}
}

// Every form refuses a value that no form can carry, names its field, and writes nothing.
func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*emit.Workload)
		want   string
	}{
		"newline":        {func(wl *emit.Workload) { wl.Subject = "a\nb" }, "Subject has a control character"},
		"null character": {func(wl *emit.Workload) { wl.Issuer = "a\x00" }, "Issuer has a control character"},
		"delete":         {func(wl *emit.Workload) { wl.Namespace = "a\x7f" }, "Namespace has a control character"},
		"next line":      {func(wl *emit.Workload) { wl.ServiceAccount = "a\u0085" }, "ServiceAccount has a control character"},
		"invalid UTF-8":  {func(wl *emit.Workload) { wl.Audience = "a\xff" }, "Audience is not valid UTF-8"},
		"too long":       {func(wl *emit.Workload) { wl.Subject = strings.Repeat("ü", 601) }, "Subject has 601 characters; the maximum is 600"},
		"resource ID":    {func(wl *emit.Workload) { wl.ClientID = "/subscriptions/x" }, "ClientID is not an ID"},
		"quote in an ID": {func(wl *emit.Workload) { wl.TenantID = "a'b" }, "TenantID is not an ID"},
		"endless ID":     {func(wl *emit.Workload) { wl.TenantID = strings.Repeat("a", 601) }, "TenantID is not an ID"},
		"two at once":    {func(wl *emit.Workload) { wl.Issuer, wl.Subject = "\t", "\r" }, "Issuer has a control character; Subject has a control character"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, form := range emit.Forms() {
				assertRefused(t, form, emittest.With(emittest.Ordinary, test.change), test.want)
			}
		})
	}
}

func assertRefused(t *testing.T, form string, wl emit.Workload, want string) {
	t.Helper()
	var text strings.Builder
	err := emit.Write(&text, form, wl)
	require.ErrorContains(t, err, want)
	assert.NotContains(t, err.Error(), "\n")
	assert.Empty(t, text.String())
}

// A credential needs all three; the service account's manifest needs none of them.
func TestRefusedWithoutCredential(t *testing.T) {
	wl := emittest.With(emittest.Ordinary, func(wl *emit.Workload) { wl.Issuer, wl.Subject, wl.Audience = "", "", "" })
	for _, form := range emit.Forms() {
		if form != "kubernetes" {
			assertRefused(t, form, wl, "Issuer is empty; Subject is empty; Audience is empty")
		}
	}
	assert.Contains(t, write(t, "kubernetes", wl), `name: "orders"`)
}

// The form azwi refuses workloads for which the azwi tool would create a different credential. It
// and kubernetes refuse workloads without a service account.
func TestRefusedByForm(t *testing.T) {
	assertRefused(t, "azwi", emittest.Usual["GitHub Actions"], "Kubernetes service accounts")
	assertRefused(t, "kubernetes", emittest.Usual["GitHub Actions"], "Kubernetes service accounts")
	assertRefused(t, "azwi", emittest.Usual["government"], `this token's audience is "api://AzureADTokenExchangeUSGov"`)
	assertRefused(t, "azwi", emittest.With(emittest.Ordinary, func(wl *emit.Workload) { wl.Subject = "orders" }), `this token's subject is "orders"`)
}

func TestWriterFails(t *testing.T) {
	assert.ErrorIs(t, emit.Write(broken{}, "graph", emittest.Ordinary), errBroken)
}

type broken struct{}

var errBroken = errors.New("broken")

func (broken) Write([]byte) (int, error) { return 0, errBroken }
