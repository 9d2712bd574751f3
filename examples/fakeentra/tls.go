package main

import (
	"crypto/tls"
	"log"
	"regexp"
	"slices"
	"strings"
)

// entraHosts are Entra ID's hosts in the public cloud, Azure Government and Azure China.
var entraHosts = []string{
	"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net",
	"login.microsoftonline.us", "login.usgovcloudapi.net",
	"login.partner.microsoftonline.cn", "login.chinacloudapi.cn",
}

// managementHosts are Azure Resource Manager's hosts.
var managementHosts = []string{"management.azure.com", "management.usgovcloudapi.net", "management.chinacloudapi.cn"}

// graphHost is Microsoft Graph's host.
const graphHost = "graph.microsoft.com"

// certificate issues a certificate for this host, the real hosts, and the name that the client asks
// for, such as a region's or a vault's. Certificates are cheap to issue, so none is cached.
func (f *fake) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	names := slices.Concat([]string{f.host, "localhost", "127.0.0.1", "::1"}, entraHosts, managementHosts, []string{graphHost})
	if name := hello.ServerName; name != "" && !slices.Contains(names, name) {
		names = append(names, name)
	}
	certificate, err := f.ca.Certificate(names...)
	return &certificate, err
}

// handshakes receives an http.Server's log lines and adds the usual cause to failed TLS handshakes.
type handshakes struct {
	log    *log.Logger
	caFile string
}

// distrust matches the log line of a handshake that ends because the client does not trust the
// certificate. The client may or may not send an alert. An alert from OpenSSL, and so from Node.js
// and curl, arrives as a bad record MAC.
var distrust = regexp.MustCompile(`TLS handshake error .*(EOF|bad record MAC|unknown certificate|bad certificate|connection reset)`)

func (h handshakes) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if distrust.MatchString(text) {
		text += ": the client may not trust the CA in " + h.caFile + ". Set SSL_CERT_FILE to it for Go and OpenSSL, " +
			"NODE_EXTRA_CA_CERTS for Node.js, REQUESTS_CA_BUNDLE for Python and the Azure CLI"
	}
	h.log.Print(text)
	return len(line), nil
}
