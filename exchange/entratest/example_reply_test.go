package entratest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// token returns a cluster's federated token, for a Server that accepts any.
func token() string {
	raw, err := new(entratest.Cluster).Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "checkout"})
	if err != nil {
		panic(err)
	}
	return raw
}

// Enqueue scripts failures, one reply for each request. Later requests are served as usual.
func ExampleServer_Enqueue() {
	var entra entratest.Server
	entra.Enqueue(
		entratest.Refuse(700016),
		entratest.Reply{Status: http.StatusBadGateway, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<h1>Bad Gateway</h1>"},
		entratest.Reply{Err: errors.New("connection reset by peer")},
	)
	for range 4 {
		fmt.Println(signIn(&entra, token()))
	}
	// Output:
	// AADSTS700016: Application with identifier '11111111-2222-3333-4444-555555555555' was not found in the directory 'contoso.com'
	// Bad Gateway
	// exchange: POST https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token: connection reset by peer
	// <nil>
}

// SetReply simulates an outage until SetReply(nil) ends it.
func ExampleServer_SetReply() {
	var entra entratest.Server
	entra.SetReply(new(entratest.Unavailable(30 * time.Second)))
	fmt.Println(signIn(&entra, token()))
	fmt.Println(signIn(&entra, token()))
	entra.SetReply(nil)
	fmt.Println(signIn(&entra, token()))
	// Output:
	// AADSTS90033: The service is temporarily unavailable
	// AADSTS90033: The service is temporarily unavailable
	// <nil>
}

// ResetReplies drops the rest of a script, so that it does not affect the next part of a test.
func ExampleServer_ResetReplies() {
	var entra entratest.Server
	entra.Enqueue(entratest.Refuse(53003), entratest.Refuse(53003))
	fmt.Println(signIn(&entra, token()))
	entra.ResetReplies()
	fmt.Println(signIn(&entra, token()))
	// Output:
	// AADSTS53003: Access has been blocked by Conditional Access policies
	// <nil>
}

// Refuse needs only the AADSTS code. The code and the request determine the text, status and IDs.
func ExampleRefuse() {
	var entra entratest.Server
	entra.Enqueue(entratest.Refuse(53003))
	fmt.Println(signIn(&entra, token()))
	// Output: AADSTS53003: Access has been blocked by Conditional Access policies
}

// Throttle tells the client when to try again.
func ExampleThrottle() {
	var entra entratest.Server
	entra.Enqueue(entratest.Throttle(time.Minute))
	reply, err := entra.Do(tokenRequest(context.Background()))
	if err != nil {
		log.Fatal(err)
	}
	defer reply.Body.Close()
	fmt.Println(reply.Status, reply.Header.Get("Retry-After"))
	// Output: 429 Too Many Requests 60
}

// Unavailable can tell the client when to try again.
func ExampleUnavailable() {
	var entra entratest.Server
	entra.Enqueue(entratest.Unavailable(0), entratest.Unavailable(30*time.Second))
	for range 2 {
		reply, err := entra.Do(tokenRequest(context.Background()))
		if err != nil {
			log.Fatal(err)
		}
		reply.Body.Close()
		fmt.Printf("%s, Retry-After %q\n", reply.Status, reply.Header.Get("Retry-After"))
	}
	// Output:
	// 503 Service Unavailable, Retry-After ""
	// 503 Service Unavailable, Retry-After "30"
}

// SetDelay makes Entra ID slow. The client waits or gives up.
func ExampleServer_SetDelay() {
	var entra entratest.Server
	entra.SetDelay(time.Hour)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := entra.Do(tokenRequest(ctx))
	fmt.Println(err)
	entra.SetDelay(0)
	fmt.Println(signIn(&entra, token()))
	// Output:
	// context deadline exceeded
	// <nil>
}

// tokenRequest returns a token request for Do. It has no fields, which does not matter if the reply
// is scripted.
func tokenRequest(ctx context.Context) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token", strings.NewReader(""))
	if err != nil {
		panic(err)
	}
	return r
}
