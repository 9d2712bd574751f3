package cache_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/cache"
)

// numbered returns a fetch function that issues tokens named KEY-1, KEY-2, … A real one would call
// a token service.
func numbered() cache.FetchFunc[string] {
	issued := map[string]int{} // no lock, because these examples use one key and one caller
	return func(_ context.Context, key, claims string) (azcore.AccessToken, error) {
		issued[key]++
		return azcore.AccessToken{Token: fmt.Sprint(key, "-", issued[key], claims), ExpiresOn: time.Now().Add(time.Hour)}, nil
	}
}

// A key is any comparable value that says which token is needed.
func ExampleNew() {
	type key struct{ tenant, scope string }
	fetch := func(_ context.Context, k key, _ string) (azcore.AccessToken, error) {
		return azcore.AccessToken{Token: "of " + k.tenant + " for " + k.scope, ExpiresOn: time.Now().Add(time.Hour)}, nil
	}
	tokens := cache.New(fetch, &cache.Options{MaxTokens: 1000, Timeout: 10 * time.Second})
	token, err := tokens.Get(context.Background(), key{"contoso", "vault"})
	fmt.Println(token.Token, err)
	// Output: of contoso for vault <nil>
}

// One token is served until it is due for refresh.
func ExampleCache_Get() {
	tokens := cache.New(numbered(), nil)
	for range 3 {
		token, err := tokens.Get(context.Background(), "vault")
		fmt.Println(token.Token, err)
	}
	// Output:
	// vault-1 <nil>
	// vault-1 <nil>
	// vault-1 <nil>
}

// A failure is shared until the next attempt is due. errors.Is finds its cause.
func ExampleCache_Get_failure() {
	errDown := errors.New("the endpoint is down")
	fetches := 0
	tokens := cache.New(func(context.Context, string, string) (azcore.AccessToken, error) {
		fetches++
		return azcore.AccessToken{}, errDown
	}, nil)
	for range 3 {
		_, err := tokens.Get(context.Background(), "vault")
		fmt.Println(errors.Is(err, errDown), fetches)
	}
	// Output:
	// true 1
	// true 1
	// true 1
}

// A resource demands a token with more claims. The answer replaces the cached token.
func ExampleCache_Renew() {
	tokens := cache.New(numbered(), nil)
	token, err := tokens.Get(context.Background(), "vault")
	fmt.Println(token.Token, err)
	token, err = tokens.Renew(context.Background(), "vault", "+mfa")
	fmt.Println(token.Token, err)
	token, err = tokens.Get(context.Background(), "vault")
	fmt.Println(token.Token, err)
	// Output:
	// vault-1 <nil>
	// vault-2+mfa <nil>
	// vault-2+mfa <nil>
}

// Only that token is dropped, wherever it is cached.
func ExampleCache_Invalidate() {
	tokens := cache.New(numbered(), nil)
	old, err := tokens.Get(context.Background(), "vault")
	fmt.Println(old.Token, err)
	tokens.Invalidate(old.Token)
	replaced, err := tokens.Get(context.Background(), "vault")
	fmt.Println(replaced.Token, err)
	tokens.Invalidate(old.Token) // no longer the cached token
	kept, err := tokens.Get(context.Background(), "vault")
	fmt.Println(kept.Token, err)
	// Output:
	// vault-1 <nil>
	// vault-2 <nil>
	// vault-2 <nil>
}

// A resource that refuses every token does not cause a fetch per request: the second token stays.
func ExampleCache_Refused() {
	tokens := cache.New(numbered(), nil)
	for range 4 {
		token, err := tokens.Get(context.Background(), "vault")
		fmt.Println(token.Token, err)
		tokens.Refused(token.Token)
	}
	// Output:
	// vault-1 <nil>
	// vault-2 <nil>
	// vault-2 <nil>
	// vault-2 <nil>
}

// A program that knows which token it will need can start the fetch and do other work meanwhile.
func ExampleCache_Prefetch() {
	tokens := cache.New(numbered(), nil)
	tokens.Prefetch("vault")
	token, err := tokens.Get(context.Background(), "vault") // waits if the fetch is still in flight
	fmt.Println(token.Token, err)
	// Output: vault-1 <nil>
}

// Back-off is random within bounds, so that a fleet that failed together does not come back
// together.
func ExampleBackoff() {
	for _, failures := range []int{1, 2, 10} {
		pause := cache.Backoff(failures)
		fmt.Println(failures, pause >= time.Second, pause <= time.Minute)
	}
	// Output:
	// 1 true true
	// 2 true true
	// 10 true true
}

// request is a key that belongs to a group: all keys of one user.
type request struct{ user, scope string }

func (r request) Group() any { return r.user }

// After a user signs out, nothing of theirs is kept.
func ExampleCache_Forget() {
	tokens := cache.New(func(_ context.Context, r request, _ string) (azcore.AccessToken, error) {
		return azcore.AccessToken{Token: r.user + "'s for " + r.scope, ExpiresOn: time.Now().Add(time.Hour)}, nil
	}, nil)
	for _, r := range []request{{"ann", "mail"}, {"ann", "files"}, {"bob", "mail"}} {
		if _, err := tokens.Get(context.Background(), r); err != nil {
			fmt.Println(err)
		}
	}
	tokens.Forget("ann")
	fmt.Println(len(tokens.StatusOf("ann")), len(tokens.StatusOf("bob")))
	// Output: 0 1
}

// A client that cannot parse a claims challenge would keep its token. A second challenge counts as
// a refusal.
func ExampleCache_Challenged() {
	tokens := cache.New(numbered(), nil)
	for range 3 {
		token, err := tokens.Get(context.Background(), "vault")
		fmt.Println(token.Token, err)
		tokens.Challenged(token.Token, time.Now())
	}
	// Output:
	// vault-1 <nil>
	// vault-1 <nil>
	// vault-2 <nil>
}

// A token that is only needed to get another one need not be refreshed ahead of time.
func ExampleCache_Cached() {
	tokens := cache.New(numbered(), nil)
	_, ok := tokens.Cached("exchange")
	fmt.Println(ok)
	if _, err := tokens.Get(context.Background(), "exchange"); err != nil {
		panic(err)
	}
	token, ok := tokens.Cached("exchange")
	fmt.Println(token.Token, ok)
	// Output:
	// false
	// exchange-1 true
}
