package hint

import (
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"strings"
	"syscall"
)

// Endpoint is where requests are sent.
type Endpoint struct {
	Host    string // of the authority or the token proxy
	Binding bool   // Host is the token proxy of an identity binding
}

// TrustCA is the fix for a certificate that is not trusted.
const TrustCA = "check the CA certificates in the container's image (package ca-certificates): a proxy that inspects TLS needs its own CA there; " +
	"for the token proxy of an identity binding, AZURE_KUBERNETES_CA_FILE names the CA"

// OfFailure returns the hint for a request that got no reply; the zero value if nothing is known.
func OfFailure(err error, at Endpoint) Hint {
	if refusesConnections(err) {
		return Hint{
			Cause: "nothing listens at that address, or something on the way refuses the connection: a firewall, a network policy or, " +
				"just after a pod starts, a service mesh's sidecar that is not ready",
			Fix: "check that https to that host works from here; if it works after a while, have the program start after the sidecar",
		}
	}
	if _, ofSource := errors.AsType[interface {
		error
		FederatedToken() string
	}](err); ofSource { // its hosts are others
		return Hint{}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return Hint{Field: Certificate, Cause: "the certificate of " + at.Host + " is not one that is trusted here", Fix: TrustCA}
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok && lookup.IsNotFound {
		return unresolved(lookup.Name, at)
	}
	return Hint{}
}

// unresolved returns the hint for a name that does not exist.
func unresolved(name string, at Endpoint) Hint {
	switch {
	case !strings.EqualFold(strings.TrimSuffix(name, "."), hostname(at.Host)):
		return Hint{
			Field: Proxy, Cause: "the name of the HTTP proxy, " + name + ", does not resolve",
			Fix: "correct the proxy's name in HTTPS_PROXY, or add " + at.Host + " to NO_PROXY",
		}
	case at.Binding:
		return Hint{
			Field: Binding, Cause: "the name of the token proxy, " + name + ", does not resolve",
			Fix: "check that AZURE_KUBERNETES_TOKEN_PROXY has the webhook's value, and that DNS works in the cluster",
		}
	case !KnownAuthority(at.Host):
		return Hint{
			Field: Authority, Cause: "the authority's host, " + at.Host + ", does not exist",
			Fix: "set AZURE_AUTHORITY_HOST (or Options.Cloud) to your cloud's authority, which az cloud show prints (endpoints.activeDirectory)",
		}
	}
	return Hint{}
}

func refusesConnections(err error) bool {
	const windows = syscall.Errno(10061) // WSAECONNREFUSED, which is not Windows' syscall.ECONNREFUSED
	return errors.Is(err, syscall.ECONNREFUSED) || runtime.GOOS == "windows" && errors.Is(err, windows)
}

// hostname returns a host without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
