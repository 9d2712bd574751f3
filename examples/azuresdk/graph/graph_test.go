package graph_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/examples/azuresdk/graph"
	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
)

func newPod() *pod.Pod {
	p := pod.New()
	p.Serve("graph.microsoft.com", "https://graph.microsoft.com", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1.0/groups/7" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation."}}`)
			return
		}
		_, _ = io.WriteString(w, `{"displayName":"Shop"}`)
	})
	return p
}

func ExampleClient_Get() {
	p := newPod() // replaces Azure
	defer p.Close()

	client := graph.New(p.Credential(), p.HTTP().Transport)
	var group struct{ DisplayName string }
	if err := client.Get(context.Background(), "/v1.0/groups/7?$select=displayName", &group); err != nil {
		panic(err)
	}
	fmt.Println(group.DisplayName)
	// Output:
	// Shop
}

func TestErrorHasGraphsReason(t *testing.T) {
	p := newPod()
	t.Cleanup(p.Close)

	err := graph.New(p.Credential(), p.HTTP().Transport).Get(t.Context(), "/v1.0/users", nil)

	require.EqualError(t, err, `graph: 403 Forbidden "Authorization_RequestDenied" "Insufficient privileges to complete the operation."`)
}

func TestMalformedPath(t *testing.T) {
	p := newPod()
	t.Cleanup(p.Close)

	err := graph.New(p.Credential(), nil).Get(t.Context(), ":elsewhere", nil)

	require.ErrorContains(t, err, "graph: ")
}

// Text before the first slash would change the host.
func TestPathCannotChangeTheHost(t *testing.T) {
	p := newPod()
	t.Cleanup(p.Close)

	err := graph.New(p.Credential(), p.HTTP().Transport).Get(t.Context(), ".elsewhere.example/", nil)

	require.ErrorContains(t, err, "the token is for https://graph.microsoft.com, not for https://graph.microsoft.com.elsewhere.example")
}
