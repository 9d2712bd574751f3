package emit_test

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/emit/emittest"
)

// readers read back the forms that are not scripts.
var readers = map[string]func(testing.TB, string) credential{
	"bicep": func(t testing.TB, text string) credential {
		return credential{
			inBicep(t, text, `    name: (.+)`), inBicep(t, text, `      issuer: (.+)`), inBicep(t, text, `      subject: (.+)`),
			inBicep(t, text, `      audiences: \[\n        (.+)\n      \]`),
		}
	},
	"terraform": func(t testing.TB, text string) credential {
		_, resource, found := strings.Cut(text, "\nresource ")
		require.True(t, found)
		return credential{
			inHCL(t, resource, `  name +  *= (.+)`), inHCL(t, resource, `  issuer +  *= (.+)`), inHCL(t, resource, `  subject +  *= (.+)`),
			inHCL(t, resource, `  audience +  *= \[(.+)\]`),
		}
	},
	"graph": func(t testing.TB, text string) credential { return inJSON(t, text) },
	"portal": func(t testing.TB, text string) credential {
		fields := portalFields(t, text)
		if fields["Federated credential scenario"] == "Kubernetes accessing Azure resources" {
			assert.Equal(t, fields["Subject identifier"], "system:serviceaccount:"+fields["Namespace"]+":"+fields["Service Account"])
			fields["Issuer URL"] = fields["Cluster Issuer URL"]
		}
		return credential{fields["Name"], fields["Issuer URL"], fields["Subject identifier"], fields["Audience"]}
	},
}

// Every form preserves every value.
func TestReadBack(t *testing.T) {
	for name, wl := range emittest.Workloads() {
		for form, read := range readers {
			if reason := refusal(form, wl); reason != "" {
				assertRefused(t, form, wl, reason)
				continue
			}
			t.Run(form+"/"+name, func(t *testing.T) { assertCredential(t, wl, read(t, write(t, form, wl))) })
		}
	}
}

// refusal returns why a form cannot carry the values; empty if it can.
func refusal(form string, wl emit.Workload) string {
	values := wl.Issuer + wl.Subject + wl.Audience
	switch {
	case form == "terraform" && strings.ContainsFunc(values, func(c rune) bool { return c > 0x2ff && !strings.ContainsRune("名前🔑", c) }):
		return "Terraform normalizes Unicode"
	case form == "portal" && strings.ContainsFunc(values, func(c rune) bool { return !unicode.IsPrint(c) }):
		return "nobody can type"
	}
	return ""
}

// Characters that do not print are visible as escapes: one could reverse the text after it.
func TestHiddenCharactersAreEscaped(t *testing.T) {
	for name, wl := range emittest.Workloads() {
		for _, form := range emit.Forms() {
			var text strings.Builder
			if emit.Write(&text, form, wl) != nil {
				continue
			}
			for _, c := range text.String() {
				assert.True(t, c == '\n' || unicode.IsPrint(c), "%s: %U in %q", form, c, name)
			}
		}
	}
}

func assertCredential(t testing.TB, wl emit.Workload, c credential) {
	t.Helper()
	assert.Regexp(t, credentialName, c.Name)
	c.Name = ""
	assert.Equal(t, of(wl), c)
}

func FuzzReadBack(f *testing.F) {
	for _, wl := range emittest.Workloads() {
		f.Add(wl.Issuer, wl.Subject, wl.Audience, wl.Namespace, wl.ServiceAccount)
	}
	f.Fuzz(func(t *testing.T, issuer, subject, audience, namespace, serviceAccount string) {
		wl := emit.Workload{Issuer: issuer, Subject: subject, Audience: audience, Namespace: namespace, ServiceAccount: serviceAccount}
		for form, read := range readers {
			var text strings.Builder
			if err := emit.Write(&text, form, wl); err != nil {
				assert.Empty(t, text.String())
				continue
			}
			assertCredential(t, wl, read(t, text.String()))
		}
	})
}

// theOne returns what the pattern captures. It must match whole lines in exactly one place.
func theOne(t testing.TB, text, pattern string) string {
	t.Helper()
	matches := regexp.MustCompile(`(?m)^`+pattern+`$`).FindAllStringSubmatch(text, -1)
	require.Len(t, matches, 1, "%s in\n%s", pattern, text)
	return matches[0][1]
}

func inJSON(t testing.TB, text string) credential {
	t.Helper()
	var body struct {
		Name, Issuer, Subject string
		Audiences             []string
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&body))
	require.False(t, decoder.More(), "there is only the body")
	require.Len(t, body.Audiences, 1)
	return credential{body.Name, body.Issuer, body.Subject, body.Audiences[0]}
}

// inHCL reads a quoted template without expressions
// (https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md#template-literals).
func inHCL(t testing.TB, text, pattern string) string {
	t.Helper()
	literal := theOne(t, text, pattern)
	assert.NotRegexp(t, `(^|[^$])\$\{|(^|[^%])%\{`, literal, "an expression")
	value, err := strconv.Unquote(literal)
	require.NoError(t, err, literal)
	return strings.NewReplacer("$${", "${", "%%{", "%{").Replace(value)
}

// inBicep reads a string
// (https://learn.microsoft.com/azure/azure-resource-manager/bicep/data-types#strings).
func inBicep(t testing.TB, text, pattern string) string {
	t.Helper()
	literal := theOne(t, text, pattern)
	require.Regexp(t, `^'([^'\\$\r\n]|\\['\\$nrt]|\\u\{[0-9a-f]+\})*'$`, literal, "a string without expressions")
	return regexp.MustCompile(`\\(u\{(.+?)\}|.)`).ReplaceAllStringFunc(literal[1:len(literal)-1], func(escape string) string {
		if digits, found := strings.CutPrefix(escape, `\u{`); found {
			point, err := strconv.ParseInt(strings.TrimSuffix(digits, "}"), 16, 32)
			require.NoError(t, err)
			return string(rune(point))
		}
		return map[string]string{`\n`: "\n", `\r`: "\r", `\t`: "\t"}[escape] + strings.TrimLeft(escape[1:], "nrt")
	})
}

func portalFields(t testing.TB, text string) map[string]string {
	t.Helper()
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		const column = 31
		require.Greater(t, len(line), column)
		label := strings.TrimSpace(line[:column])
		require.NotContains(t, fields, label)
		fields[label] = strings.TrimSuffix(line[column:], "\n")
	}
	return fields
}
