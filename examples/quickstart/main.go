// Quickstart shows how a pod signs in to Microsoft Entra ID without a secret, link by link:
//
//	service account → OIDC issuer → federated credential → managed identity → access token
//
// Where nothing is configured it starts a cluster and an Entra ID of its own on loopback, so that it runs anywhere and
// needs no account:
//
//	go run ./examples/quickstart
//
// In a pod that the workload identity webhook set up, the same program signs in for real:
//
//	quickstart -scope https://vault.azure.net/.default
//
// It prints no token and no part of one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/entrafed/entrafed/credential"
)

// settings are the flags, and the options that a test needs.
type settings struct {
	scope   string
	timeout time.Duration
	options credential.Options // empty: everything comes from the environment
}

func main() {
	// A set of its own, because importing net/http/httptest adds a flag to the common one.
	flags := flag.NewFlagSet("quickstart", flag.ExitOnError)
	var s settings
	flags.StringVar(&s.scope, "scope", "https://management.azure.com/.default", "real mode: what to get a token for")
	flags.DurationVar(&s.timeout, "timeout", 30*time.Second, "how long to wait for everything")
	_ = flags.Parse(os.Args[1:]) // exits on a mistake

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // so that Ctrl-C cleans up, too
	err := run(ctx, os.Stdout, &s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run chooses the mode: real if the environment has anything of a workload identity, even if it is incomplete. A program
// that can sign in otherwise, on a developer's machine for example, would decide the same way.
func run(ctx context.Context, out io.Writer, s *settings) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	cred, err := credential.New(&s.options)
	if errors.Is(err, credential.ErrNotConfigured) {
		return runEmbedded(ctx, out)
	}
	return runReal(ctx, out, s, cred, err)
}
