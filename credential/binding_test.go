package credential_test

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
)

// boundRig is a rig with the token proxy of an identity binding in the cluster.
type boundRig struct {
	*rig
	url, ca string
	names   chan string // requested server names, one per request
}

// newBoundRig returns a rig that is set up for the proxy, except for the variables.
func newBoundRig(t *testing.T) *boundRig {
	r := &boundRig{rig: newRig(t), names: make(chan string, 10)}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.names <- q.TLS.ServerName
		http.StripPrefix("/base", r.Entra).ServeHTTP(w, q)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS() // its certificate is for *.example.com and 127.0.0.1
	t.Cleanup(s.Close)
	r.url = s.URL + "/base"
	r.ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	r.options.Transport = nil
	r.options.EnableAzureProxy = true
	return r
}

func TestIdentityBindingOfTheEnvironment(t *testing.T) {
	for name, set := range map[string]func(t *testing.T, r *boundRig) (sni string){
		"CA data": func(t *testing.T, r *boundRig) string {
			t.Setenv("AZURE_KUBERNETES_CA_DATA", r.ca)
			return ""
		},
		"CA data, in a container that sets the webhook's CA file to nothing": func(t *testing.T, r *boundRig) string {
			t.Setenv("AZURE_KUBERNETES_CA_DATA", r.ca)
			t.Setenv("AZURE_KUBERNETES_CA_FILE", "")
			return ""
		},
		"CA file": func(t *testing.T, r *boundRig) string {
			t.Setenv("AZURE_KUBERNETES_CA_FILE", writeFile(t, r.ca))
			return ""
		},
		"as AKS sets it": func(t *testing.T, r *boundRig) string {
			t.Setenv("AZURE_KUBERNETES_CA_FILE", writeFile(t, r.ca))
			t.Setenv("AZURE_KUBERNETES_SNI_NAME", "binding.example.com")
			return "binding.example.com"
		},
		"white space": func(t *testing.T, r *boundRig) string {
			t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", " "+r.url+"\n")
			t.Setenv("AZURE_KUBERNETES_CA_FILE", writeFile(t, r.ca)+"\n")
			t.Setenv("AZURE_KUBERNETES_SNI_NAME", "binding.example.com\n")
			return "binding.example.com"
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newBoundRig(t)
			t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", r.url)
			sni := set(t, r)
			r.options.PerCallPolicies = []policy.Policy{heading("X-Injected")}
			before := r.options.ClientOptions
			c := r.credential(t)
			require.Equal(t, before, r.options.ClientOptions)

			require.Equal(t, get(t, c, scope(vault)), get(t, c, scope(vault)))
			requests := r.Entra.Requests()
			require.Len(t, requests, 1)
			require.Equal(t, "login.microsoftonline.com", requests[0].Host)
			require.Equal(t, "/"+tenantID+"/oauth2/v2.0/token", requests[0].Path)
			require.Equal(t, r.Projection.Token(), requests[0].Assertion)
			require.Equal(t, clientID, requests[0].ClientID)
			require.Equal(t, "yes", requests[0].Header.Get("X-Injected"))
			require.Equal(t, sni, <-r.names)
		})
	}
}

func TestAuthorityIsKeptBehindTheProxy(t *testing.T) {
	r := newBoundRig(t)
	t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", r.url)
	t.Setenv("AZURE_KUBERNETES_CA_DATA", r.ca)
	t.Setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")
	t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", "usgovvirginia")
	get(t, r.credential(t), scope(vault))
	require.Equal(t, "usgovvirginia.login.microsoftonline.us", r.Entra.Requests()[0].Host)
}

func TestRotatedCAOfTheProxyIsPickedUp(t *testing.T) {
	r := newBoundRig(t)
	path := writeFile(t, r.ca)
	t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", r.url)
	t.Setenv("AZURE_KUBERNETES_CA_FILE", path)
	c := r.credential(t)
	get(t, c, scope(vault))
	writeOver(t, path, "")
	get(t, c, scope(storage))
	writeOver(t, path, "\n"+r.ca)
	get(t, c, scope("https://graph.microsoft.com/.default"))
	require.Len(t, r.Entra.Requests(), 3)
}

// The option is safe to set whether or not the cluster has identity bindings.
func TestNoIdentityBindingInTheEnvironment(t *testing.T) {
	r := newBoundRig(t)
	r.options.Transport = r.Entra
	get(t, r.credential(t), scope(vault))
	require.Equal(t, "login.microsoftonline.com", r.Entra.Requests()[0].Host)
}

func TestIdentityBindingIsOffUnlessAskedFor(t *testing.T) {
	r := newBoundRig(t)
	r.options.EnableAzureProxy = false
	r.options.Transport = r.Entra
	for _, name := range bindingVariables {
		t.Setenv(name, "nonsense")
	}
	get(t, r.credential(t), scope(vault))
	require.Len(t, r.Entra.Requests(), 1)
	require.Empty(t, r.names)
}

func TestMalformedIdentityBindingIsNamed(t *testing.T) {
	const proxy, sni, file, data = "AZURE_KUBERNETES_TOKEN_PROXY", "AZURE_KUBERNETES_SNI_NAME", "AZURE_KUBERNETES_CA_FILE", "AZURE_KUBERNETES_CA_DATA"
	type variables map[string]string
	r := newBoundRig(t)
	good, empty, junk := writeFile(t, r.ca), writeFile(t, ""), writeFile(t, "junk")
	for name, row := range map[string]struct {
		set  variables
		want []string
	}{
		"only an SNI":      {variables{sni: "binding.example.com"}, []string{proxy + " is not set", sni}},
		"only a CA file":   {variables{file: good}, []string{proxy + " is not set", file}},
		"only CA data":     {variables{data: r.ca}, []string{proxy + " is not set", data}},
		"two CAs":          {variables{proxy: r.url, file: good, data: r.ca}, []string{file, data, "both set"}},
		"no URL":           {variables{proxy: "https://proxy.example/%zz"}, []string{proxy, "not a URL"}},
		"no scheme":        {variables{proxy: "invalid-token-endpoint"}, []string{proxy, "not an https URL"}},
		"http":             {variables{proxy: "http://proxy.example"}, []string{proxy, "not an https URL"}},
		"no host":          {variables{proxy: "https:///base"}, []string{proxy, "not an https URL"}},
		"userinfo":         {variables{proxy: "https://user:hunter2@proxy.example"}, []string{proxy, "more than a host and a path"}},
		"query":            {variables{proxy: "https://proxy.example?a=b"}, []string{proxy, "more than a host and a path"}},
		"fragment":         {variables{proxy: "https://proxy.example#a"}, []string{proxy, "more than a host and a path"}},
		"missing CA file":  {variables{proxy: r.url, file: good + ".missing"}, []string{file, good + ".missing"}},
		"empty CA file":    {variables{proxy: r.url, file: empty}, []string{file, empty, "no certificate in PEM"}},
		"CA file, no PEM":  {variables{proxy: r.url, file: junk}, []string{file, junk, "no certificate in PEM"}},
		"CA data, no PEM":  {variables{proxy: r.url, data: "junk"}, []string{data, "no certificate in PEM"}},
		"and an authority": {variables{proxy: "http://proxy.example", "AZURE_AUTHORITY_HOST": "http://login.example"}, []string{proxy + ": ", "AZURE_AUTHORITY_HOST: "}},
		"and a region":     {variables{proxy: "http://proxy.example", "AZURE_REGIONAL_AUTHORITY_NAME": "EastUS"}, []string{proxy + ": ", "AZURE_REGIONAL_AUTHORITY_NAME: "}},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range row.set {
				t.Setenv(variable, value)
			}
			o := r.options
			o.TenantID = ""
			_, err := credential.New(&o)
			require.Error(t, err)
			for _, want := range append(row.want, "AZURE_TENANT_ID is not set") {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestTransportThatCannotHoldTheCAIsNamed(t *testing.T) {
	r := newBoundRig(t)
	t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy.example")
	r.options.Transport = r.Entra
	get(t, r.credential(t), scope(vault))
	require.Len(t, r.Entra.Requests(), 1, "without a CA and a name, any transport will do")

	t.Setenv("AZURE_KUBERNETES_SNI_NAME", "binding.example.com")
	_, err := credential.New(&r.options)
	require.ErrorContains(t, err, "AZURE_KUBERNETES_SNI_NAME: the proxy's CA and server name cannot be set on this Transport")
	require.ErrorContains(t, err, "use an *http.Client")
}

func TestUntrustedProxyIsNamed(t *testing.T) {
	r := newBoundRig(t)
	t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", r.url)
	r.options.Retry.MaxRetries = -1
	_, err := r.credential(t).GetToken(t.Context(), scope(vault))
	require.ErrorContains(t, err, r.url+"/"+tenantID)
	require.ErrorContains(t, err, "certificate signed by unknown authority")
	require.Empty(t, r.Entra.Requests())
}
