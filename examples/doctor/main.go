// Doctor finds out why a workload cannot sign in to Microsoft Entra ID: it walks the chain from the environment to the access
// token, says which link is broken and how to mend it, and prints no secret.
//
//	doctor [-scope SCOPE] [-resource URL] [-json] [-html FILE] [-timeout 30s]
//
// It runs in the pod that fails, or in a debug container of it: examples/kubernetes/README.md says how. On any machine it shows
// what it says of a setup that is broken in a way of your choice, without a cluster and without Azure:
//
//	go run ./examples/doctor -fake list
//	go run ./examples/doctor -fake issuer-without-slash
//
// And it prints the federated credential that Entra ID needs, for just the issuer, subject and audience that this workload presents:
//
//	doctor -emit az|azwi|bicep|terraform|graph|portal|kubernetes
//
// The exit status is 0 if the workload can sign in, 1 if something has to be mended, 2 if the command itself was wrong, and 3 if it
// may pass by itself: the network or Entra ID failed, or time ran out.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/internal/emit"
)

// Exit statuses.
const (
	statusOK = iota
	statusMisconfigured
	statusUsage
	statusTransient
)

// settings are the flags.
type settings struct {
	json    bool
	html    string
	timeout time.Duration
	fake    string
	emit    string
	options diagnose.Options
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is main without the process.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	var s settings
	err := s.parse(args, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return statusOK
	case err != nil: // and printed
		return statusUsage
	}
	status, err := s.run(ctx, out, errs)
	if err != nil {
		fmt.Fprintln(errs, "doctor:", err)
	}
	return status
}

func (s *settings) parse(args []string, errs io.Writer) error {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.StringVar(&s.options.Scope, "scope", "", "that a token is asked for, as https://vault.azure.net/.default (default: Azure Resource Manager's)")
	flags.StringVar(&s.options.Resource, "resource", "", "https URL to GET with the access token, which goes there and nowhere else")
	flags.BoolVar(&s.json, "json", false, "print the report as JSON")
	flags.StringVar(&s.html, "html", "", "file to write the report to, as an HTML page")
	flags.DurationVar(&s.timeout, "timeout", 30*time.Second, "of the whole diagnosis")
	flags.StringVar(&s.fake, "fake", "", "setup to look at instead of this pod's; \"list\" prints their names")
	flags.StringVar(&s.emit, "emit", "", "instead of a diagnosis, print what registers this workload: "+strings.Join(emit.Forms(), ", "))
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if flags.NArg() > 0 {
		err = fmt.Errorf("doctor takes flags only, not %q", flags.Arg(0))
	} else if s.timeout <= 0 {
		err = fmt.Errorf("-timeout %v is not positive", s.timeout)
	}
	if err != nil {
		fmt.Fprintln(errs, "doctor:", err)
	}
	return err
}

func (s *settings) run(ctx context.Context, out, errs io.Writer) (int, error) {
	if s.fake == "list" {
		return statusOK, listFakes(out)
	}
	if s.fake != "" {
		cleanUp, err := s.enterFake()
		defer cleanUp()
		if err != nil {
			return statusUsage, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if s.emit != "" {
		return s.runEmit(ctx, out, errs)
	}
	report := diagnose.Run(ctx, &s.options)
	if err := s.write(report, out); err != nil {
		return statusUsage, err
	}
	return map[diagnose.Verdict]int{diagnose.OK: statusOK, diagnose.Misconfigured: statusMisconfigured, diagnose.Transient: statusTransient}[report.Verdict], nil
}

// write prints the report, and writes the page.
func (s *settings) write(report diagnose.Report, out io.Writer) error {
	var errs []error
	if s.json {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		errs = append(errs, encoder.Encode(report))
	} else {
		errs = append(errs, report.WriteText(out, isTerminal(out)))
	}
	if s.html != "" {
		errs = append(errs, writeFile(s.html, report.WriteHTML))
	}
	return errors.Join(errs...)
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// isTerminal tells whether colour is wanted (https://no-color.org).
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
