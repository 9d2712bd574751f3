// Doctor finds out why a workload cannot sign in to Microsoft Entra ID. It checks the chain from
// the environment to the access token, names the broken link and how to fix it, and prints no
// secrets.
//
//	doctor [-scope SCOPE] [-resource URL] [-agent ID] [-azure-proxy=false] [-timeout 30s]
//	       [-v] [-json] [-html FILE]
//
// Run it in the failing pod or in a debug container of that pod; see examples/kubernetes/README.md.
// In a pod with an AKS identity binding, it signs in through the binding's token proxy and reports
// that it does. With -azure-proxy=false it behaves like a program that leaves
// Options.EnableAzureProxy off.
//
// On any machine, without a cluster and without Azure, it shows what it reports for a setup broken
// in the way you choose:
//
//	go run ./examples/doctor -fake list
//	go run ./examples/doctor -fake issuer-without-slash
//
// It also prints the federated credential that Entra ID needs, with exactly the issuer, subject and
// audience that this workload presents:
//
//	doctor -emit az|azwi|bicep|terraform|graph|portal|kubernetes
//
// The exit status is 0 if the workload can sign in, 1 if something needs fixing, 2 if the command
// itself is wrong or its output cannot be written, and 3 if the failure may clear up on its own:
// the network, Entra ID or the resource failed, or time ran out.
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
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/entrafed/entrafed/credential/diagnose"
	"github.com/entrafed/entrafed/internal/emit"
	"github.com/entrafed/entrafed/internal/redact"
)

// Exit statuses.
const (
	statusOK = iota
	statusMisconfigured
	statusUsage
	statusTransient
)

// settings holds the flags.
type settings struct {
	json    bool
	verbose bool
	html    string
	timeout time.Duration
	fake    string
	emit    string
	force   bool
	proxy   *bool // nil if not given
	options diagnose.Options
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run runs the command and returns its exit status.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	var s settings
	errs = redact.Messages(errs)
	err := s.parse(args, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return statusOK
	case err != nil: // parse has printed it
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
	flags.StringVar(&s.options.Scope, "scope", "", "`scope` of the access token, such as https://vault.azure.net/.default (default: that of -resource, or else Azure Resource Manager's)")
	flags.StringVar(&s.options.Resource, "resource", "", "https `URL` to GET with the access token, which is sent only there; needs -scope unless the host belongs to a known service")
	flags.StringVar(&s.options.Agent, "agent", "", "client `ID` of an agent identity whose blueprint is the workload's identity; the report then includes the agent's exchanges")
	flags.BoolVar(&s.verbose, "v", false, "also print the details of links that work")
	flags.BoolVar(&s.json, "json", false, "print the report as JSON")
	flags.StringVar(&s.html, "html", "", "`file` to write the report to, as an HTML page")
	flags.DurationVar(&s.timeout, "timeout", 30*time.Second, "time limit for the whole diagnosis")
	flags.BoolFunc("azure-proxy", "use the token proxy of an AKS identity binding if the environment names one, as a program with Options.EnableAzureProxy does (default true)", func(value string) error {
		use, err := strconv.ParseBool(value)
		s.proxy = &use
		return err
	})
	flags.StringVar(&s.fake, "fake", "", "`name` of a broken setup to diagnose instead of this pod; \"list\" prints all names")
	flags.StringVar(&s.emit, "emit", "", "instead of diagnosing, print what registers this workload; `form` is one of "+strings.Join(emit.Forms(), ", "))
	flags.BoolVar(&s.force, "force", false, "with -emit, print it even if Entra ID cannot reach the issuer")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if flags.NArg() > 0 {
		err = fmt.Errorf("doctor takes flags only, not %q", flags.Arg(0))
	} else if s.timeout <= 0 {
		err = fmt.Errorf("-timeout %v is not positive", s.timeout)
	} else {
		err = s.check()
	}
	if err != nil {
		fmt.Fprintln(errs, "doctor:", err)
	}
	return err
}

// check refuses flags that would have no effect.
func (s *settings) check() error {
	switch {
	case s.emit == "" && s.force:
		return errors.New("-force has no effect without -emit")
	case s.emit != "" && (s.json || s.verbose || s.html != ""):
		return errors.New("-emit prints no report, so -json, -html and -v have no effect")
	}
	return nil
}

func (s *settings) run(ctx context.Context, out, errs io.Writer) (int, error) {
	if s.fake == "list" {
		return statusOK, listFakes(out)
	}
	s.options.Credential.EnableAzureProxy = true
	if s.fake != "" {
		cleanUp, err := s.enterFake()
		defer cleanUp()
		if err != nil {
			return statusUsage, err
		}
	}
	if s.proxy != nil {
		s.options.Credential.EnableAzureProxy = *s.proxy
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
	switch report.Verdict {
	case diagnose.OK:
		return statusOK, nil
	case diagnose.Transient:
		return statusTransient, nil
	}
	return statusMisconfigured, nil
}

// write prints the report and, with -html, writes the page.
func (s *settings) write(report diagnose.Report, out io.Writer) error {
	var errs []error
	if s.json {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		errs = append(errs, encoder.Encode(report))
	} else if s.verbose {
		errs = append(errs, report.WriteText(out, isTerminal(out)))
	} else {
		errs = append(errs, report.WriteBrief(out, isTerminal(out)))
	}
	if s.html != "" {
		errs = append(errs, writeFile(s.html, report.WriteHTML))
	}
	return errors.Join(errs...)
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("-html: %w", err)
	}
	return errors.Join(write(f), f.Close())
}

// isTerminal reports whether out shows color, and the user has not turned it off
// (https://no-color.org).
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
