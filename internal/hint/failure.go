package hint

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// Endpoint is where requests are sent.
type Endpoint struct {
	Host    string // of the authority or the token proxy
	Binding bool   // Host is the token proxy of an identity binding
}

// trustCA is the fix for a certificate that is not trusted.
const trustCA = "check the CA certificates in the container's image (package ca-certificates): a proxy that inspects TLS needs its own CA there; " +
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
		return ofCertificate(err, at)
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok && lookup.IsNotFound {
		return unresolved(lookup.Name, at)
	}
	return Hint{}
}

// atProxy reports whether the HTTP proxy could not be reached. net/http marks such errors.
func atProxy(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "proxyconnect"
}

// ofCertificate returns the hint for a certificate that could not be verified.
func ofCertificate(err error, at Endpoint) Hint {
	whose := at.Host
	if atProxy(err) {
		whose = "the HTTP proxy"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return Hint{
			Field: Certificate, Cause: "the certificate of " + whose + " has expired or is not valid yet, or this machine's clock is wrong",
			Fix: "check this machine's clock; if it is right, find out what answers instead",
		}
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return Hint{
			Field: Certificate, Cause: "the certificate of " + whose + " is for another name",
			Fix: "check DNS, /etc/hosts and HTTPS_PROXY for what answers instead",
		}
	}
	return Hint{Field: Certificate, Cause: "the certificate of " + whose + " is not trusted here", Fix: trustCA}
}

// unresolved returns the hint for a name that does not exist. A name other than the endpoint's is
// the HTTP proxy's.
func unresolved(name string, at Endpoint) Hint {
	switch c := cloudOfHost(at.Host); {
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
	case c.name == "":
		return Hint{
			Field: Authority, Cause: "the authority's host, " + at.Host + ", does not exist",
			Fix: "set AZURE_AUTHORITY_HOST (or Options.Cloud) to your cloud's authority, which az cloud show prints (endpoints.activeDirectory)",
		}
	case !slices.Contains(c.hosts, at.Host):
		return Hint{
			Field: Region, Cause: "the regional endpoint " + at.Host + " does not exist",
			Fix: "correct or unset AZURE_REGIONAL_AUTHORITY_NAME",
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
