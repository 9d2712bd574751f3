// Quickstart shows how a pod signs in to Microsoft Entra ID without a secret, link by link:
//
//	service account → OIDC issuer → federated credential → managed identity → access token
//
// If nothing is configured, it starts its own cluster and Entra ID on loopback, so that it runs
// anywhere and needs no account:
//
//	go run ./examples/quickstart
//
// In a pod that the workload identity webhook set up, the same program signs in for real:
//
//	quickstart -scope https://vault.azure.net/.default
//
// It prints no token and no part of a token.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/internal/redact"
)

// settings holds the flags, and the options that a test needs.
type settings struct {
	scope   string
	timeout time.Duration
	options credential.Options // empty: everything comes from the environment
}

func main() {
	s, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil: // parse has printed it
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // Ctrl-C must clean up too
	err = run(ctx, os.Stdout, s)
	stop()
	if err != nil {
		fmt.Fprintln(redact.Messages(os.Stderr), "quickstart:", err)
		os.Exit(1)
	}
}

func parse(args []string, errs io.Writer) (*settings, error) {
	errs = redact.Messages(errs)
	// Its own flag set, because importing net/http/httptest adds a flag to the default one.
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(errs)
	s := new(settings)
	flags.StringVar(&s.scope, "scope", "https://management.azure.com/.default", "real mode: scope of the token")
	flags.DurationVar(&s.timeout, "timeout", 30*time.Second, "time limit for the whole run")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	var err error
	if flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q: quickstart takes only flags", flags.Arg(0))
	} else if s.timeout <= 0 {
		err = fmt.Errorf("-timeout %v is not positive", s.timeout)
	}
	if err != nil {
		fmt.Fprintln(errs, "quickstart:", err)
	}
	return s, err
}

// run chooses the mode. It is real if the environment contains any part of a workload identity,
// even an incomplete one. A program that has another way to sign in, such as on a developer's
// machine, would decide the same way.
func run(ctx context.Context, out io.Writer, s *settings) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	cred, err := credential.New(&s.options)
	if errors.Is(err, credential.ErrNotConfigured) {
		return runEmbedded(ctx, out)
	}
	return runReal(ctx, out, s, cred, err)
}
