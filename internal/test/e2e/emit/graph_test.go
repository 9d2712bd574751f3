package emit_test

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The schema in testdata is Microsoft's documentation of the request's body
// (https://learn.microsoft.com/graph/api/resources/federatedidentitycredential and
// .../application-post-federatedidentitycredentials).
func TestGraph(t *testing.T) {
	schema := jsonschema.NewCompiler().MustCompile("testdata/federatedIdentityCredential.schema.json")
	for _, wl := range workloads() {
		body, err := jsonschema.UnmarshalJSON(strings.NewReader(write(t, "graph", wl)))
		require.NoError(t, err)
		require.NoError(t, schema.Validate(body))
		object := body.(map[string]any)
		assert.Equal(t, wl.Issuer, object["issuer"])
		assert.Equal(t, wl.Subject, object["subject"])
		assert.Equal(t, []any{wl.Audience}, object["audiences"])
	}
}

// The schema rejects what Entra ID rejects.
func TestGraphSchema(t *testing.T) {
	schema := jsonschema.NewCompiler().MustCompile("testdata/federatedIdentityCredential.schema.json")
	for _, body := range []string{
		`{"name":"abc","issuer":"i","subject":"s"}`,
		`{"name":"abc","issuer":"i","subject":"s","audiences":[]}`,
		`{"name":"abc","issuer":"i","subject":"s","audiences":["a","b"]}`,
		`{"name":"ab","issuer":"i","subject":"s","audiences":["a"]}`,
		`{"name":"-abc","issuer":"i","subject":"s","audiences":["a"]}`,
		`{"name":"` + strings.Repeat("a", 121) + `","issuer":"i","subject":"s","audiences":["a"]}`,
		`{"name":"abc","issuer":"i","subject":"` + strings.Repeat("s", 601) + `","audiences":["a"]}`,
		`{"name":"abc","issuer":"","subject":"s","audiences":["a"]}`,
		`{"name":"abc","issuer":"i","subject":"s","audiences":["a"],"audience":"a"}`,
	} {
		parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
		require.NoError(t, err)
		assert.Error(t, schema.Validate(parsed), body)
	}
}
