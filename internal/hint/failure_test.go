package hint_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/hint"
)

// ofSource is an error of the federated token's source, such as a metadata server.
type ofSource struct{ error }

func (ofSource) FederatedToken() string { return "Options.Assertion" }
func (e ofSource) Unwrap() error        { return e.error }

func TestHintForARequestWithoutAReply(t *testing.T) {
	failedAt := func(op string, err error) error { return fmt.Errorf("Post: %w", &net.OpError{Op: op, Err: err}) }
	unknown := func(name string) error {
		return failedAt("dial", &net.DNSError{Err: "no such host", Name: name, IsNotFound: true})
	}
	certificate := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	expired := x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	entra, proxy := hint.Endpoint{Host: "login.microsoftonline.com"}, hint.Endpoint{Host: "proxy.example:8443", Binding: true}
	for name, row := range map[string]struct {
		err   error
		at    hint.Endpoint
		field hint.Field
		cause string
	}{
		"refused":                    {refused, entra, "", "nothing listens at that address"},
		"no DNS":                     {unknown("login.microsoftonline.com"), entra, "", ""},
		"DNS that does not answer":   {&net.DNSError{Name: "typo.example", IsTimeout: true}, hint.Endpoint{Host: "typo.example"}, "", ""},
		"misspelled authority":       {unknown("login.example."), hint.Endpoint{Host: "Login.example"}, hint.Authority, "the authority's host, Login.example, does not exist"},
		"misspelled HTTP proxy":      {failedAt("proxyconnect", unknown("proxy.corp")), entra, hint.Proxy, "the name of the HTTP proxy, proxy.corp, does not resolve"},
		"misspelled region":          {unknown("weseurope.login.microsoft.com"), hint.Endpoint{Host: "weseurope.login.microsoft.com"}, hint.Region, "the regional endpoint weseurope.login.microsoft.com does not exist"},
		"misspelled token proxy":     {unknown("proxy.example"), proxy, hint.Binding, "the name of the token proxy, proxy.example, does not resolve"},
		"untrusted":                  {certificate(x509.UnknownAuthorityError{}), entra, hint.Certificate, "the certificate of login.microsoftonline.com is not trusted here"},
		"untrusted HTTP proxy":       {failedAt("proxyconnect", certificate(x509.UnknownAuthorityError{})), entra, hint.Certificate, "the certificate of the HTTP proxy is not trusted here"},
		"expired":                    {certificate(expired), entra, hint.Certificate, "has expired or is not valid yet, or this machine's clock is wrong"},
		"of another host":            {certificate(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}), entra, hint.Certificate, "is for another name"},
		"the source's host":          {ofSource{unknown("metadata.internal")}, entra, "", ""},
		"the source's server is off": {ofSource{refused}, entra, "", "nothing listens at that address"},
		"something else":             {errors.New("lost"), entra, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := hint.OfFailure(row.err, row.at)
			require.Equal(t, row.field, h.Field)
			require.Contains(t, h.Cause, row.cause)
			require.Equal(t, row.cause == "", h == hint.Hint{})
			require.Equal(t, h.Cause == "", h.Fix == "")
		})
	}
}
