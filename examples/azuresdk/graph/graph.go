// Package graph calls Microsoft Graph over HTTPS, without its large SDK. Copy the file and
// package bearer.
//
//	client := graph.New(cred, nil)
//	var group struct{ DisplayName string }
//	err := client.Get(ctx, "/v1.0/groups/"+id+"?$select=displayName", &group)
//
// A workload needs application permissions in Graph, and an administrator's consent. Without them,
// Graph answers 403 Authorization_RequestDenied. A token has the permissions from when it was
// issued. After a change, wait for the next token or restart.
//
// # Sources
//
// https://learn.microsoft.com/graph/auth-v2-service and https://learn.microsoft.com/graph/errors
package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/examples/azuresdk/bearer"
)

const host = "graph.microsoft.com"

// maxReply bounds how much of a reply is read, in bytes. Graph pages longer results.
const maxReply = 16 << 20

// Client calls Graph. It is safe for concurrent use.
type Client struct{ http *http.Client }

// New returns a client that sends its requests through base. A nil base means
// http.DefaultTransport.
func New(cred *credential.Credential, base http.RoundTripper) *Client {
	return &Client{&http.Client{Transport: &bearer.Transport{
		Credential: cred, Scope: "https://" + host + "/.default", Host: host, Base: base,
	}}}
}

// Get decodes the resource at path into a value. The path starts with the API version. For the next
// page of a list, pass its @odata.nextLink without https://graph.microsoft.com.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+path, nil)
	if err != nil {
		return fmt.Errorf("graph: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("graph: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body := json.NewDecoder(io.LimitReader(response.Body, maxReply))
	if response.StatusCode != http.StatusOK {
		return refusal(response.Status, body)
	}
	if err := body.Decode(into); err != nil {
		return fmt.Errorf("graph: read the reply: %w", err)
	}
	return nil
}

// refusal returns Graph's error code and message, or only the status if there are none.
func refusal(status string, body *json.Decoder) error {
	var reply struct {
		Error struct{ Code, Message string }
	}
	_ = body.Decode(&reply) // on an error, only the status is left
	return fmt.Errorf("graph: %s %.200q %.500q", status, reply.Error.Code, reply.Error.Message)
}
