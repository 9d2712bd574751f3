// Fakeentra is a Microsoft Entra ID and a Kubernetes cluster on this machine, for trying out a program in any language that
// signs in with a federated token. It needs no account, and nothing leaves the machine.
//
//	go run ./examples/fakeentra
//
// It prints the environment that the workload identity webhook would give to a pod; export it where the program under test
// runs. The token file is rotated as the kubelet does, until Ctrl-C. Each request is logged on one line, without any secret:
// a refused one with the reason in Entra ID's words.
//
// Assertions are judged as Entra ID does it. The one application there is trusts the service account of the token file and
// nothing else; any resource can be asked for. The access tokens are good for tests only: no real resource takes them.
//
// Fakeentra makes its own certificate authority at every start. SSL_CERT_FILE works for programs that use OpenSSL or Go, and
// makes them trust nothing else; Node.js takes the same file in NODE_EXTRA_CA_CERTS, Python's requests in REQUESTS_CA_BUNDLE.
// A client that has the authority's host checked by login.microsoftonline.com needs that switched off: in the Azure SDKs the
// option is called disableInstanceDiscovery.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	addr     string
	lifetime time.Duration
	dir      string
}

func main() {
	flags := flag.NewFlagSet("fakeentra", flag.ExitOnError)
	var s settings
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8443", "where to listen; port 0 is any free one")
	flags.DurationVar(&s.lifetime, "lifetime", time.Hour-time.Second, "of the access tokens, a second at least")
	flags.StringVar(&s.dir, "dir", "", "for the CA certificate and the token file, which are removed at the end (default: a new temporary one)")
	_ = flags.Parse(os.Args[1:]) // exits on a mistake

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, os.Stderr, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fakeentra:", err)
		os.Exit(1)
	}
}
