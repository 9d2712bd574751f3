package openai_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/examples/azuresdk/internal/pod"
	"github.com/entrafed/entrafed/examples/azuresdk/openai"
)

const endpoint = "https://shop.openai.azure.com"

func newPod(service http.HandlerFunc) *pod.Pod {
	p := pod.New()
	p.Serve("shop.openai.azure.com", "https://cognitiveservices.azure.com", service)
	return p
}

// echo is a model that repeats its input.
func echo(w http.ResponseWriter, r *http.Request) {
	var heard struct{ Messages []openai.Message }
	if json.NewDecoder(r.Body).Decode(&heard) != nil || r.URL.RequestURI() != "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"message": openai.Message{
		Role: "assistant", Content: heard.Messages[0].Content,
	}}}})
}

func ExampleClient_Chat() {
	p := newPod(echo) // replaces Azure
	defer p.Close()

	client, err := openai.New(endpoint, p.Credential(), p.HTTP().Transport)
	if err != nil {
		panic(err)
	}
	answer, err := client.Chat(context.Background(), "gpt-4o", openai.Message{Role: "user", Content: "hello"})
	if err != nil {
		panic(err)
	}
	fmt.Println(answer)
	// Output:
	// hello
}

func TestUnusableReplies(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		body, says string
	}{
		"refused":    {http.StatusNotFound, `{"error":{"code":"DeploymentNotFound","message":"none"}}`, `openai: 404 Not Found "DeploymentNotFound" "none"`},
		"no body":    {http.StatusBadGateway, "", `openai: 502 Bad Gateway "" ""`},
		"not JSON":   {http.StatusOK, "hello", "openai: read the reply: "},
		"no choices": {http.StatusOK, "{}", "openai: the reply has no choices"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPod(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			t.Cleanup(p.Close)
			client, err := openai.New(endpoint, p.Credential(), p.HTTP().Transport)
			require.NoError(t, err)

			_, err = client.Chat(t.Context(), "gpt-4o")

			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestEndpointMustBeHTTPS(t *testing.T) {
	for _, endpoint := range []string{"http://shop.openai.azure.com", "shop.openai.azure.com", "https://", "https://a b"} {
		client, err := openai.New(endpoint, nil, nil)
		require.ErrorContains(t, err, "openai: endpoint")
		assert.Nil(t, client)
	}
}
