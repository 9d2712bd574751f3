package emit_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/text/unicode/norm"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/emit/emittest"
)

// blocks returns a file's blocks by type and labels.
func blocks(t *testing.T, text string) map[string]*hclsyntax.Body {
	t.Helper()
	file, problems := hclsyntax.ParseConfig([]byte(text), "main.tf", hcl.InitialPos)
	require.False(t, problems.HasErrors(), "%v in\n%s", problems, text)
	body := file.Body.(*hclsyntax.Body)
	require.Empty(t, body.Attributes)
	found := map[string]*hclsyntax.Body{}
	for _, block := range body.Blocks {
		name := strings.Join(append([]string{block.Type}, block.Labels...), " ")
		require.NotContains(t, found, name)
		found[name] = block.Body
	}
	return found
}

func attributeNames(body *hclsyntax.Body) []string {
	var names []string
	for name := range body.Attributes {
		names = append(names, name)
	}
	return names
}

// value evaluates an attribute. Without variables, only a literal has a value.
func value(t *testing.T, body *hclsyntax.Body, attribute string, variables map[string]cty.Value) cty.Value {
	t.Helper()
	require.Contains(t, body.Attributes, attribute)
	v, problems := body.Attributes[attribute].Expr.Value(&hcl.EvalContext{Variables: variables})
	require.False(t, problems.HasErrors(), "%v", problems)
	return v
}

const (
	credentialBlock = "resource azurerm_federated_identity_credential workload"
	identityBlock   = "data azurerm_user_assigned_identity workload"
)

func TestTerraform(t *testing.T) {
	const id = "/subscriptions/x"
	identity := map[string]cty.Value{"data": cty.ObjectVal(map[string]cty.Value{"azurerm_user_assigned_identity": cty.ObjectVal(
		map[string]cty.Value{"workload": cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal(id)})})})}
	written := 0
	for _, wl := range workloads() {
		var printed strings.Builder
		if emit.Write(&printed, "terraform", wl) != nil {
			assert.NotEqual(t, -1, strings.IndexFunc(wl.Issuer+wl.Subject, func(c rune) bool { return c > 0x2ff }))
			continue
		}
		written++
		text := printed.String()
		assert.Equal(t, text, string(hclwrite.Format([]byte(text))), "formatted like terraform fmt's output")
		file := blocks(t, text)
		require.Len(t, file, 4)
		assert.Equal(t, cty.StringVal("Name of the user-assigned managed identity with client ID "+idOf(wl)+"."),
			value(t, file["variable workload_identity_name"], "description", nil))
		assert.ElementsMatch(t, []string{"name", "resource_group_name"}, attributeNames(file[identityBlock]))
		assert.Contains(t, file, "variable workload_identity_resource_group_name")

		credential := file[credentialBlock]
		require.NotNil(t, credential)
		assert.Empty(t, credential.Blocks)
		assert.ElementsMatch(t, []string{"name", "user_assigned_identity_id", "issuer", "subject", "audience"}, attributeNames(credential))
		assert.Regexp(t, `^[A-Za-z0-9][\w-]{2,119}$`, value(t, credential, "name", nil).AsString())
		assert.Equal(t, id, value(t, credential, "user_assigned_identity_id", identity).AsString())
		assert.Equal(t, wl.Issuer, value(t, credential, "issuer", nil).AsString())
		assert.Equal(t, wl.Subject, value(t, credential, "subject", nil).AsString())
		assert.Equal(t, cty.TupleVal([]cty.Value{cty.StringVal(wl.Audience)}), value(t, credential, "audience", nil))
	}
	assert.Greater(t, written, len(pieces))
}

func idOf(wl emit.Workload) string {
	if wl.ClientID == "" {
		return "REPLACE-WITH-CLIENT-ID"
	}
	return wl.ClientID
}

// Terraform normalizes strings. A character that the format accepts must stay unchanged, whatever
// is next to it.
func TestAcceptedCharactersSurviveTerraformsNormalization(t *testing.T) {
	taken := 0
	for c := rune(0x20); c <= 0x1ffff; c++ {
		wl := emit.Workload{Issuer: "https://issuer.example", Subject: string(c), Audience: emittest.Audience}
		if emit.Write(&strings.Builder{}, "terraform", wl) == nil {
			taken++
			properties := norm.NFC.PropertiesString(wl.Subject)
			assert.Truef(t, norm.NFC.IsNormalString(wl.Subject) && properties.BoundaryBefore(), "%U", c)
		}
	}
	assert.Greater(t, taken, 30_000)
}

func TestTerraformExample(t *testing.T) {
	text := example(t, "main.tf")
	assert.Equal(t, text, string(hclwrite.Format([]byte(text))))
	file := blocks(t, text)
	variables := map[string]cty.Value{"issuer": cty.StringVal(emittest.Ordinary.Issuer)}
	for _, name := range []string{"namespace", "service_account"} {
		require.Contains(t, file, "variable "+name)
		variables[name] = value(t, file["variable "+name], "default", nil)
	}
	credential := file["resource azurerm_federated_identity_credential orders"]
	require.NotNil(t, credential)
	for attribute, want := range map[string]string{"issuer": emittest.Ordinary.Issuer, "subject": emittest.Ordinary.Subject} {
		assert.Equal(t, want, value(t, credential, attribute, map[string]cty.Value{"var": cty.ObjectVal(variables)}).AsString())
	}
	assert.Equal(t, emittest.Audience, value(t, credential, "audience", nil).AsValueSlice()[0].AsString())
}

// example returns a file from examples/kubernetes.
func example(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "examples", "kubernetes", name))
	require.NoError(t, err)
	return string(text)
}

func TestTerraformFmt(t *testing.T) {
	files := map[string]string{"example.tf": example(t, "main.tf")}
	for _, v := range []string{"shop", `'"${x}%{ if }\`} {
		files[v[:1]+".tf"] = write(t, "terraform", emittest.InCluster("https://issuer.example/"+v, v, v))
	}
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	command := optional(t, "terraform", "fmt", "-check", "-diff", dir)
	command.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+os.DevNull)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
}

// optional skips the test if the program is not installed. The other tests have their own parsers.
func optional(t *testing.T, program string, arguments ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed", program)
	}
	return exec.CommandContext(t.Context(), path, arguments...)
}
