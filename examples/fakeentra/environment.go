package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/entrafed/entrafed/internal/test/setups"
)

// printEnvironment prints the environment as commands for a POSIX shell. Comments say what some
// clients need in addition.
func (f *fake) printEnvironment(out io.Writer) error {
	var text strings.Builder
	export := func(prefix, name, value, suffix string) {
		fmt.Fprintf(&text, "%sexport %s='%s'%s\n", prefix, name, strings.ReplaceAll(value, "'", `'\''`), suffix)
	}
	var unset []string
	for _, name := range setups.EnvNames() {
		if value, ok := f.pod.env[name]; ok {
			export("", name, value, "")
		} else {
			unset = append(unset, name)
		}
	}
	export("", "SSL_CERT_FILE", f.caFile, "")
	fmt.Fprintf(&text, "unset %s\n", strings.Join(unset, " "))

	text.WriteString("# Go and OpenSSL read SSL_CERT_FILE. For other clients, set:\n")
	export("# ", "NODE_EXTRA_CA_CERTS", f.caFile, " # Node.js")
	export("# ", "REQUESTS_CA_BUNDLE", f.caFile, " # Python: azure-identity, msal, the Azure CLI")
	if !slices.Contains(entraHosts, f.host) {
		text.WriteString("# Without these options, clients ask login.microsoftonline.com about a host that they do not know:\n")
		for _, option := range clientOptions {
			fmt.Fprintf(&text, "#   %-16s  %s\n", option.library, strings.ReplaceAll(option.code, "HOST", strings.TrimPrefix(f.base, "https://")))
		}
	}
	if f.control != nil {
		fmt.Fprintf(&text, "# To change Entra ID's replies: curl -d throttle=30s http://%s/\n", f.control.Addr())
	}
	for _, line := range f.pod.about {
		fmt.Fprintf(&text, "# %s\n", line)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// clientOptions keep clients from asking whether HOST is Entra ID.
var clientOptions = []struct{ library, code string }{
	{"@azure/identity", "disableInstanceDiscovery: true"},
	{"@azure/msal-node", `knownAuthorities: ["HOST"]`},
	{"msal", "instance_discovery=False"},
	{"azidentity", "DisableInstanceDiscovery: true"},
}
