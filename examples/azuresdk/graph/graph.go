// Package graph asks Microsoft Graph over plain HTTP, without its large SDK. Copy the file, and package bearer's.
//
//	client := graph.New(cred, nil)
//	var group struct{ DisplayName string }
//	err := client.Get(ctx, "/v1.0/groups/"+id+"?$select=displayName", &group)
//
// A workload's permissions in Graph are application permissions with an administrator's consent; without one, Graph answers 403
// Authorization_RequestDenied. Tokens hold the permissions of the moment they were issued: after a change, wait for the next one
// or restart.
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

// maxReply bounds what is read of a reply, in bytes. Graph has pages for more.
const maxReply = 16 << 20

// Client asks Graph. It is safe for concurrent use.
type Client struct{ http *http.Client }

// New returns a client. base carries its requests; nil is http.DefaultTransport.
func New(cred *credential.Credential, base http.RoundTripper) *Client {
	return &Client{&http.Client{Transport: &bearer.Transport{
		Credential: cred, Scope: "https://" + host + "/.default", Host: host, Base: base,
	}}}
}

// Get decodes the resource at a path, which begins with the version, into a value.
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
		return fmt.Errorf("graph: reading the reply: %w", err)
	}
	return nil
}

// refusal says what Graph said, if it did.
func refusal(status string, body *json.Decoder) error {
	var reply struct {
		Error struct{ Code, Message string }
	}
	_ = body.Decode(&reply) // then there is the status alone
	return fmt.Errorf("graph: %s %.200q %.500q", status, reply.Error.Code, reply.Error.Message)
}
