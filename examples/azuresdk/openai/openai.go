// Package openai calls a model deployed in Azure OpenAI over plain HTTPS. Copy the file and package
// bearer.
//
//	client, err := openai.New("https://shop.openai.azure.com", cred, nil)
//	if err != nil {
//		return err
//	}
//	answer, err := client.Chat(ctx, "gpt-4o", openai.Message{Role: "user", Content: "Say hello."})
//
// The identity needs the role Cognitive Services OpenAI User. The resource needs a custom
// subdomain, because regional endpoints do not accept tokens.
//
// # Sources
//
// https://learn.microsoft.com/azure/ai-services/openai/reference and
// https://learn.microsoft.com/azure/ai-services/openai/how-to/managed-identity
package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/azuresdk/bearer"
)

const (
	scope      = "https://cognitiveservices.azure.com/.default"
	apiVersion = "2024-10-21"
	maxReply   = 16 << 20 // bytes
)

// Message is part of a conversation. Role is system, user or assistant.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Client calls the models of one resource. It is safe for concurrent use.
type Client struct {
	host string
	http *http.Client
}

// New returns a client for a resource's endpoint that sends its requests through base. A nil base
// means http.DefaultTransport.
func New(endpoint string, cred *credential.Credential, base http.RoundTripper) (*Client, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("openai: endpoint: %w", err)
	}
	if u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("openai: endpoint %q is not an https URL", endpoint)
	}
	return &Client{u.Host, &http.Client{Transport: &bearer.Transport{Credential: cred, Scope: scope, Host: u.Host, Base: base}}}, nil
}

// Chat returns the deployment's answer to a conversation.
func (c *Client) Chat(ctx context.Context, deployment string, conversation ...Message) (string, error) {
	answer, err := c.chat(ctx, deployment, conversation)
	if err != nil {
		return "", fmt.Errorf("openai: %w", err)
	}
	return answer, nil
}

func (c *Client) chat(ctx context.Context, deployment string, conversation []Message) (string, error) {
	body, err := json.Marshal(map[string]any{"messages": conversation})
	if err != nil {
		return "", err
	}
	to := "https://" + c.host + "/openai/deployments/" + url.PathEscape(deployment) + "/chat/completions?api-version=" + apiVersion
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	return answer(response)
}

// answer reads a reply, whether it is an answer or an error.
func answer(response *http.Response) (string, error) {
	var reply struct {
		Choices []struct{ Message Message }
		Error   struct{ Code, Message string }
	}
	err := json.NewDecoder(io.LimitReader(response.Body, maxReply)).Decode(&reply)
	switch {
	case response.StatusCode != http.StatusOK: // even without a readable body
		return "", fmt.Errorf("%s %.200q %.500q", response.Status, reply.Error.Code, reply.Error.Message)
	case err != nil:
		return "", fmt.Errorf("read the reply: %w", err)
	case len(reply.Choices) == 0:
		return "", errors.New("the reply has no choices")
	}
	return reply.Choices[0].Message.Content, nil
}
