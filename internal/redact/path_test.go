package redact_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/entrafed/entrafed/internal/redact"
)

func TestPathCanBePasted(t *testing.T) {
	for path, shown := range map[string]string{
		"":                          "``",
		"/var/run/token":            "`/var/run/token`",
		`C:\var\run\secrets\token`:  "`C:\\var\\run\\secrets\\token`",
		`\\server\share\my "token"`: "`\\\\server\\share\\my \"token\"`",
		"/höme/tökens":              "`/höme/tökens`",
		"a`b":                       "\"a`b\"",
		"tab\tnewline\n":            `"tab\tnewline\n"`,
		"\x1b[2J":                   `"\x1b[2J"`,
		"right to left \u202e":      `"right to left \u202e"`,
		"\xff":                      `"\xff"`,
		"/eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.e30.c2ln": "`[redacted]`",
	} {
		assert.Equal(t, shown, redact.Path(path))
	}
}
