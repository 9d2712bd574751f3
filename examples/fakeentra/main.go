// Fakeentra runs a fake Microsoft Entra ID and Kubernetes cluster on this machine. Use it to try
// out a program in any language that signs in with a federated token. It needs no account and sends
// nothing to another machine.
//
//	go run ./examples/fakeentra
//
// It prints the environment that the workload identity webhook would set in a pod. Export it where
// the program under test runs. Comments show the additional settings for Node.js, Python and Azure
// clients. Until Ctrl-C, it rotates the token file as the kubelet does. It logs each request on one
// line, without secrets. The line of a refused request includes Entra ID's reason.
//
// It validates assertions as Entra ID does. There is one application. It trusts only the service
// account of the token file, and can get a token for any resource. Real resources do not accept
// these tokens.
//
// To see what the program does when something is wrong, use one of the broken setups:
//
//	go run ./examples/fakeentra -setup list
//	go run ./examples/fakeentra -setup issuer-without-slash
//
// Fakeentra can also simulate an outage, throttling, refusals and delays. Set them at the start or
// while it runs:
//
//	go run ./examples/fakeentra -throttle 30s -times 2
//	go run ./examples/fakeentra -control 127.0.0.1:8444
//	curl -d outage=true http://127.0.0.1:8444/
//
// Fakeentra makes a new certificate authority at every start and issues a certificate for any name
// that a client asks for. So /etc/hosts can point the names of Entra ID and Azure Resource Manager
// to this machine, for programs that cannot use another host. README.md signs the Azure CLI in that
// way.
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

	"github.com/entrafed/entrafed/internal/redact"
)

// Exit statuses, as in package flag.
const (
	statusFailed = 1
	statusUsage  = 2
)

// settings holds the flags.
type settings struct {
	addr     string
	lifetime time.Duration
	dir      string
	setup    string
	control  string
	faults   faults
}

func main() {
	s, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil: // parse has printed it
		os.Exit(statusUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, os.Stdout, os.Stderr, s)
	stop()
	if err != nil {
		fmt.Fprintln(redact.Messages(os.Stderr), "fakeentra:", err)
		os.Exit(statusOf(err))
	}
}

// usageError is a mistake in the command that shows only when it runs.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func statusOf(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return statusUsage
	}
	return statusFailed
}

func parse(args []string, errs io.Writer) (s settings, err error) {
	errs = redact.Messages(errs)
	flags := flag.NewFlagSet("fakeentra", flag.ContinueOnError)
	flags.SetOutput(errs)
	s.faults = faults{}
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8443", "listen `address`; port 0 means any free port")
	flags.DurationVar(&s.lifetime, "lifetime", time.Hour-time.Second, "lifetime of the access tokens, at least a second")
	flags.StringVar(&s.dir, "dir", "", "`directory` for the CA certificate and the token file, which are removed at the end (default: a new temporary one)")
	flags.StringVar(&s.setup, "setup", "", "broken setup to use; \"list\" prints them all")
	flags.StringVar(&s.control, "control", "", "loopback `address` for changing the faults over plain HTTP while fakeentra runs")
	for name, usage := range faultNames {
		set := func(value string) error { return s.faults.set(name, value) }
		if name == "outage" {
			flags.BoolFunc(name, usage, set)
		} else {
			flags.Func(name, usage, set)
		}
	}
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	err = s.faults.check()
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q: fakeentra takes only flags", flags.Arg(0))
	case err == nil && s.setup != "" && (len(s.faults) > 0 || s.control != ""):
		err = errors.New("-setup already sets a fault: use it without other faults and without -control")
	}
	if err != nil {
		fmt.Fprintln(errs, "fakeentra:", err)
	}
	return s, err
}
