package emit_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/emit/emittest"
)

const (
	identityType   = "Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31"
	credentialType = "federatedIdentityCredentials" // child of the identity, with the same version
)

func TestBicep(t *testing.T) {
	for _, wl := range workloads() {
		text := write(t, "bicep", wl)
		file, err := parseBicep(lexBicep(t, text))
		require.NoError(t, err, text)
		assert.Equal(t, map[string]string{"identityName": "<identityName>"}, file.parameters)
		require.Len(t, file.resources, 1)
		identity := file.resources[0]
		assert.Equal(t, identityType, identity.kind)
		assert.True(t, identity.existing)
		assert.Equal(t, map[string]any{"name": "<identityName>"}, identity.properties)
		assertBicepCredential(t, identity, wl)
	}
}

func assertBicepCredential(t *testing.T, identity resource, wl emit.Workload) {
	t.Helper()
	require.Len(t, identity.children, 1)
	credential := identity.children[0]
	assert.Equal(t, credentialType, credential.kind)
	assert.False(t, credential.existing)
	assert.Len(t, credential.properties, 2)
	assert.Regexp(t, `^[A-Za-z0-9][\w-]{2,119}$`, credential.properties["name"])
	want := map[string]any{"issuer": wl.Issuer, "subject": wl.Subject, "audiences": []any{wl.Audience}}
	assert.Equal(t, want, credential.properties["properties"])
}

func TestBicepExample(t *testing.T) {
	file, err := parseBicep(lexBicep(t, example(t, "main.bicep")))
	require.NoError(t, err)
	require.Len(t, file.resources, 1)
	identity := file.resources[0]
	assert.Equal(t, identityType, identity.kind)
	assert.False(t, identity.existing)
	assertBicepCredential(t, identity, emit.Workload{Issuer: "<issuer>", Subject: emittest.Ordinary.Subject, Audience: emittest.Audience})
}

// The parser must reject what Bicep rejects and evaluate what Bicep evaluates, or TestBicep would
// prove nothing.
func TestBicepParser(t *testing.T) {
	for _, text := range []string{
		"param p string = 'a'b'\n", "param p string = 'a\n", "param p string = 'a\nb'\n", `param p string = 'a\x41'` + "\n", `param p string = '\u0041'` + "\n",
		`param p string = '\u{41'` + "\n", `param p string = '\'` + "\n", "param p string = '${'\n", "param p string = a b\n", "param p\n", "a: 'b'\n",
		"resource r 't' = {\n  a: 'b' c: 'd'\n}\n", "resource r 't' = {\n  a: 'b'\n", "resource r 't' = {\n  a 'b'\n}\n", "resource r = {\n}\n",
	} {
		_, err := parseBicep(lexBicep(t, text))
		assert.Error(t, err, text)
	}
	file, err := parseBicep(lexBicep(t, "param a string = 'x'\n@secure()\nparam b string = '$${a}\\${a}\\u{1f511}\\u{41}1\\\\\\''\n"))
	require.NoError(t, err)
	assert.Equal(t, `$x${a}🔑A1\'`, file.parameters["b"])
}
