package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entrafed/entrafed/tokenfile"
)

// link is one link of the chain: its name, what it does, and the facts that identify it.
type link struct {
	name, note string
	facts      []fact // facts without a value are left out
}

type fact struct{ name, value string }

// federated holds the token file's claims and the time that reading took.
type federated struct {
	tokenfile.Token
	path string
	took time.Duration
}

// identity is the identity that the pod signs in as.
type identity struct{ clientID, tenantID string }

// readTokenFile reads the file only to show its content. The credential reads it on its own.
func readTokenFile(ctx context.Context, path string) (federated, error) {
	start := time.Now()
	raw, err := tokenfile.New(path).Assertion(ctx)
	if err != nil {
		return federated{}, err
	}
	token, err := tokenfile.Parse(raw)
	return federated{Token: token, path: path, took: time.Since(start)}, err
}

// drawChain draws the chain from the service account to the access token.
func drawChain(out io.Writer, file federated, me identity, access azcore.AccessToken, exchanged time.Duration) {
	audience := strings.Join(file.Audience, " ")
	links := []link{
		{"service account", "the account that the pod runs as", serviceAccount(file)},
		{"OIDC issuer", "the cluster's; signed the token in the file, which took " + brief(file.took) + " to read",
			[]fact{{"url", file.Issuer}, {"audience", audience}, {"valid", until(file.Expiry)}}},
		{"federated credential", "in Entra ID; matches the claims of the token",
			[]fact{{"issuer", file.Issuer}, {"subject", file.Subject}, {"audience", audience}}},
		{"managed identity", "got its access token in one exchange, in " + brief(exchanged),
			[]fact{{"client", me.clientID}, {"tenant", me.tenantID}}},
		{"access token", "in memory now; a secret, so only a hash of it here", accessToken(access)},
	}
	for i, l := range links {
		l.draw(out, i == len(links)-1)
	}
}

func serviceAccount(file federated) []fact {
	k := file.Kubernetes
	if k.ServiceAccount.Name == "" { // a token of another issuer
		return []fact{{"subject", file.Subject}, {"file", file.path}}
	}
	return []fact{{"name", k.Namespace + "/" + k.ServiceAccount.Name}, {"pod", k.Pod.Name}, {"file", file.path}}
}

func (l link) draw(out io.Writer, last bool) {
	fmt.Fprintf(out, "  %-22s%s\n", l.name, l.note)
	bar := "│"
	if last {
		bar = " "
	}
	for _, f := range l.facts {
		if f.value != "" {
			fmt.Fprintf(out, "  %s  %-10s%s\n", bar, f.name, printable(f.value))
		}
	}
	if !last {
		fmt.Fprintln(out, "  ▼")
	}
}

// printable makes a claim safe for a terminal, which must not interpret a token's content.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// until returns when something ends, and how long from now.
func until(end time.Time) string {
	if end.IsZero() {
		return ""
	}
	return fmt.Sprintf("until %s, %s from now", end.UTC().Format("2006-01-02 15:04:05 MST"), time.Until(end).Round(time.Second))
}
