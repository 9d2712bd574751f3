package redact_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/entrafed/entrafed/internal/redact"
)

func TestSettingIsShownWithoutSecrets(t *testing.T) {
	for raw, shown := range map[string]string{
		"":                                         "",
		"https://login.microsoftonline.com/":       "https://login.microsoftonline.com/",
		"https://user:hunter2@login.example/x":     "https://[redacted]@login.example/x",
		"https://user@login.example":               "https://[redacted]@login.example",
		"https://a.blob.example/c?sig=abc&se=1":    "https://a.blob.example/c?sig=…&se=…",
		"https://a.example/x?hunter2":              "https://a.example/x?…",
		"https://a.example/x#access_token=eyJhb":   "https://a.example/x#…",
		"https://u:hun ter2@a.example":             "[redacted]",
		"https://u:hun/ter2@a.example":             "[redacted]",
		"https://u:hun?ter2@a.example":             "[redacted]",
		"https://a.example/@scope/x":               "https://a.example/@scope/x",
		"pat@contoso.com":                          "pat@contoso.com",
		"https://a.example/x?":                     "https://a.example/x?",
		"https://a/.default https://u:p@b/?k=v":    "https://a/.default https://[redacted]@b/?k=…",
		"user:pat@contoso.com":                     "user:pat@contoso.com",
		"repo:octo@1/shop@2:ref:refs/heads/main":   "repo:octo@1/shop@2:ref:refs/heads/main",
		"project_path:g/p:ref_type:branch:ref:a@1": "project_path:g/p:ref_type:branch:ref:a@1",
		"urn:ietf:wg:x@y":                          "urn:ietf:wg:x@y",
		"https://h/https://u:hunter2@h2/x":         "https://h/https://[redacted]@h2/x",
		"https://a.example/%1b[2J%0aok%2Fx":        "https://a.example/%1b[2J%0aok%2Fx",
		"/var/run/secrets/shop@example/token":      "/var/run/secrets/shop@example/token",
		`C:\tokens\shop@example`:                   `C:\tokens\shop@example`,
		"login.example":                            "login.example",
		"api://AzureADTokenExchange/.default":      "api://AzureADTokenExchange/.default",
		"system:serviceaccount:shop:orders":        "system:serviceaccount:shop:orders",
	} {
		assert.Equal(t, shown, redact.Setting(raw), raw)
	}
}

func TestURLNeedsNoScheme(t *testing.T) {
	for raw, shown := range map[string]string{
		"https://u:hunter2@a.example/x":        "https://[redacted]@a.example/x",
		"user:hunter2@a.example":               "[redacted]",
		"user:hun/ter2@a.example":              "[redacted]",
		"//u:hunter2@a.example":                "[redacted]",
		`https:\\user:hunter2@a.example`:       "[redacted]",
		"a.blob.example/c?sv=1&sig=hunter2":    "a.blob.example/c?sv=…&sig=…",
		"https:/a.example/c?sig=hunter2":       "https:/a.example/c?sig=…",
		"/var/run/secrets/shop@example/token":  "/var/run/secrets/shop@example/token",
		`C:\tokens\shop@example`:               `C:\tokens\shop@example`,
		"pat@contoso.com":                      "pat@contoso.com",
		"login.example":                        "login.example",
		"11111111-2222-4333-8444-555555555555": "11111111-2222-4333-8444-555555555555",
		"azure.workload.identity/tenant-id":    "azure.workload.identity/tenant-id",
		"":                                     "",
	} {
		assert.Equal(t, shown, redact.URL(raw), raw)
	}
}
