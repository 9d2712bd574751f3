package credential_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/tokenfile"
)

// The tests in this file are about what programs written for azidentity's
// WorkloadIdentityCredential (v1.15.0) rely on, case by case as that module tests it.
// docs/migrating-from-azidentity.md describes the same in words. Where this credential differs by
// design, the test says so.

func TestMigratedOptionsOverrideTheEnvironment(t *testing.T) {
	r := newRig(t)
	t.Setenv("AZURE_CLIENT_ID", "another client")
	t.Setenv("AZURE_TENANT_ID", "another.tenant")
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", filepath.Join(t.TempDir(), "another"))
	t.Setenv("AZURE_AUTHORITY_HOST", "https://another.example")
	r.options.EnableAzureProxy = true // without the proxy's variables it has no effect
	r.options.Cloud.ActiveDirectoryAuthorityHost = "https://login.example"
	get(t, r.credential(t), scope(vault))
	request := r.Entra.Requests()[0]
	require.Equal(t, []string{clientID, tenantID, "login.example"}, []string{request.ClientID, request.TenantID, request.Host})
	require.True(t, r.Projection.Token() == request.Assertion)
}

func TestMigratedIncompleteConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	values := []struct{ name, value string }{{"AZURE_CLIENT_ID", clientID}, {"AZURE_TENANT_ID", tenantID}, {"AZURE_FEDERATED_TOKEN_FILE", file}}
	for set := range 1 << len(values) {
		t.Run(fmt.Sprintf("%03b", set), func(t *testing.T) {
			clearEnvironment(t)
			var missing []string
			for i, v := range values {
				if set&(1<<i) != 0 {
					t.Setenv(v.name, v.value)
				} else {
					missing = append(missing, v.name)
				}
			}
			_, err := credential.New(nil)
			for _, name := range missing {
				require.ErrorContains(t, err, name+" is not set")
			}
			require.Equal(t, len(missing) == 0, err == nil)
			require.Equal(t, len(missing) == len(values), errors.Is(err, credential.ErrNotConfigured))
		})
	}
}

// Different: azidentity treats a variable that is set but empty as the value "".
func TestMigratedEmptyVariableIsMissing(t *testing.T) {
	r := newRig(t)
	t.Setenv("AZURE_CLIENT_ID", "")
	t.Setenv("AZURE_TENANT_ID", tenantID)
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", " ")
	_, err := credential.New(nil)
	require.ErrorContains(t, err, "AZURE_CLIENT_ID is set but empty")
	require.ErrorContains(t, err, "AZURE_FEDERATED_TOKEN_FILE is set but empty")
	require.NotContains(t, err.Error(), "AZURE_TENANT_ID")
	t.Setenv("AZURE_AUTHORITY_HOST", "") // is the default in both
	get(t, r.credential(t), scope(vault))
	require.Equal(t, "login.microsoftonline.com", r.Entra.Requests()[0].Host)
}

func TestMigratedFileThatAppearsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		path := filepath.Join(t.TempDir(), "token")
		r.options.TokenFilePath = path
		c := r.credential(t)
		_, err := c.GetToken(t.Context(), scope(vault))
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorContains(t, err, path)
		require.Empty(t, r.Entra.Requests())

		writeOver(t, path, r.Projection.Token())
		time.Sleep(2 * time.Second) // the first failure is remembered for 1 to 2 s
		get(t, c, scope(vault))
	})
}

// Different: azidentity reads the file at most every ten minutes, this credential at each exchange.
func TestMigratedFileIsReadAtEachExchange(t *testing.T) {
	r := newRig(t)
	path := writeFile(t, r.Projection.Token())
	r.options.TokenFilePath = path
	c := r.credential(t)
	for i := range 3 {
		assertion, err := r.Cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders"})
		require.NoError(t, err)
		writeOver(t, path, assertion)
		get(t, c, scope(fmt.Sprintf("https://r%d.example/.default", i)))
		require.True(t, assertion == r.Entra.Requests()[i].Assertion)
	}
}

// Different: azidentity sends whatever is in the file.
func TestMigratedFileMustHoldAJWT(t *testing.T) {
	r := newRig(t)
	r.options.TokenFilePath = writeFile(t, "not a token")
	_, err := r.credential(t).GetToken(t.Context(), scope(vault))
	require.ErrorIs(t, err, tokenfile.ErrMalformed)
	require.NotContains(t, err.Error(), "not a token")
	require.Empty(t, r.Entra.Requests())
}

func TestMigratedClaims(t *testing.T) {
	for _, cae := range []bool{false, true} {
		t.Run(fmt.Sprintf("EnableCAE %t", cae), func(t *testing.T) {
			r := newRig(t)
			c := r.credential(t)
			get(t, c, policy.TokenRequestOptions{EnableCAE: cae, Scopes: []string{vault}})
			get(t, c, policy.TokenRequestOptions{EnableCAE: cae, Scopes: []string{storage}, Claims: `{"test":"pass"}`})
			requests := r.Entra.Requests()
			require.Len(t, requests, 2)
			for _, request := range requests {
				require.Equal(t, cae, strings.Contains(request.Claims, "CP1"))
			}
			require.Contains(t, requests[1].Claims, `"test":"pass"`)
			if !cae {
				require.False(t, requests[0].Form.Has("claims"))
			}
		})
	}
}

func TestMigratedAllowedTenants(t *testing.T) {
	for name, row := range map[string]tenantRow{
		"nothing asked for":               {nil, "", tenantID},
		"nothing asked for, any allowed":  {[]string{"*"}, "", tenantID},
		"nothing asked for, one allowed":  {[]string{"A"}, "", tenantID},
		"own tenant":                      {nil, tenantID, tenantID},
		"any":                             {[]string{"*"}, "A", "A"},
		"any, with others":                {[]string{"B", "*"}, "A", "A"},
		"one of two":                      {[]string{"A", "B"}, "B", "B"},
		"spelling of the request":         {[]string{"*"}, "Contoso.OnMicrosoft.com", "Contoso.OnMicrosoft.com"},
		"none":                            {nil, "A", ""},
		"not this one":                    {[]string{"A"}, "B", ""},
		"own tenant alone":                {[]string{tenantID}, "A", ""},
		"invalid":                         {[]string{"*"}, "invalid@tenant", ""},
		"invalid: a path":                 {[]string{"*"}, "invalid/tenant", ""},
		"invalid: a port":                 {[]string{"*"}, "invalid:tenant", ""},
		"invalid: a parenthesis":          {[]string{"*"}, "invalid(tenant", ""},
		"different: case does not matter": {[]string{"contoso.onmicrosoft.com"}, "Contoso.OnMicrosoft.com", "contoso.onmicrosoft.com"},
	} {
		t.Run(name, row.check)
	}
}

// AZURE_ADDITIONALLY_ALLOWED_TENANTS is DefaultAzureCredential's; neither workload identity
// credential reads it.
func TestMigratedAllowedTenantsAreNotReadFromTheEnvironment(t *testing.T) {
	r := newRig(t)
	t.Setenv("AZURE_ADDITIONALLY_ALLOWED_TENANTS", "*")
	_, err := r.credential(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{vault}, TenantID: "A"})
	require.ErrorContains(t, err, "AdditionallyAllowedTenants")
}

func TestMigratedTenantIDs(t *testing.T) {
	for tenant, valid := range map[string]bool{
		tenantID: true, "contoso.onmicrosoft.com": true, "organizations": true, "a-b.c": true, "UPPER": true,
		"": false, "bad tenant": false, "bad/tenant": false, "bad@tenant": false, "bad(tenant": false, "bad:tenant": false, "tänant": false, "..": false,
	} {
		t.Run(tenant, func(t *testing.T) {
			for _, byOption := range []bool{true, false} {
				r := newRig(t)
				if r.options.TenantID = tenant; !byOption {
					r.options.TenantID = ""
					t.Setenv("AZURE_TENANT_ID", tenant)
				}
				c, err := credential.New(&r.options)
				if !valid {
					require.ErrorContains(t, err, "AZURE_TENANT_ID")
					continue
				}
				require.NoError(t, err)
				r.reregister(t, tenant, clientID)
				get(t, c, scope(vault))
				require.Equal(t, tenant, r.Entra.Requests()[0].TenantID)
			}
		})
	}
}

func TestMigratedScopesAreRequired(t *testing.T) {
	r := newRig(t)
	_, err := r.credential(t).GetToken(t.Context(), policy.TokenRequestOptions{})
	require.ErrorContains(t, err, "at least one scope is required")
	require.Empty(t, r.Entra.Requests())
}

// Different: azidentity adds "openid offline_access profile", which Entra ID ignores in this grant.
func TestMigratedScopesGoOutAlone(t *testing.T) {
	r := newRig(t)
	get(t, r.credential(t), scope(vault))
	require.Equal(t, vault, r.Entra.Requests()[0].Scope)
}

func TestMigratedAuthorities(t *testing.T) {
	services := map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: "https://arm.example", Audience: "https://arm.example"}}
	for name, row := range map[string]struct {
		cloud       cloud.Configuration
		environment string
		region      string
		want        string // where the request goes, or New's error
		bad         bool
	}{
		"default":                       {want: "login.microsoftonline.com"},
		"public":                        {cloud: cloud.AzurePublic, want: "login.microsoftonline.com"},
		"US government":                 {cloud: cloud.AzureGovernment, want: "login.microsoftonline.us"},
		"China":                         {cloud: cloud.AzureChina, want: "login.chinacloudapi.cn"},
		"custom":                        {cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: "https://login.example", Services: services}, want: "login.example"},
		"trailing slash":                {cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: "https://login.example/"}, want: "login.example"},
		"port":                          {cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: "https://login.example:8443"}, want: "login.example:8443"},
		"environment":                   {environment: "https://login.microsoftonline.us/", want: "login.microsoftonline.us"},
		"option before environment":     {cloud: cloud.AzureChina, environment: "https://not.example", want: "login.chinacloudapi.cn"},
		"region":                        {region: "westus2", want: "westus2.login.microsoft.com"},
		"region of another cloud":       {cloud: cloud.AzureGovernment, region: "usgovvirginia", want: "usgovvirginia.login.microsoftonline.us"},
		"not https":                     {cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: "http://localhost"}, want: "https", bad: true},
		"not https, by the environment": {environment: "http://localhost", want: "AZURE_AUTHORITY_HOST", bad: true},
		"services without an authority": {cloud: cloud.Configuration{Services: services}, environment: "https://login.example", want: "ActiveDirectoryAuthorityHost", bad: true},
		"different: region is detected": {region: "TryAutoDetect", want: "AZURE_REGIONAL_AUTHORITY_NAME", bad: true},
		"different: refused by New":     {region: "West US", want: "AZURE_REGIONAL_AUTHORITY_NAME", bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			t.Setenv("AZURE_AUTHORITY_HOST", row.environment)
			t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", row.region)
			r.options.Cloud = row.cloud
			c, err := credential.New(&r.options)
			if row.bad {
				require.ErrorContains(t, err, row.want)
				return
			}
			require.NoError(t, err)
			get(t, c, scope(vault))
			require.Len(t, r.Entra.Requests(), 1, "different: nothing is discovered")
			require.Equal(t, row.want, r.Entra.Requests()[0].Host)
			require.Equal(t, entratest.KindToken, r.Entra.Requests()[0].Kind)
		})
	}
}

func TestMigratedResponseIsShownOnce(t *testing.T) {
	r := newRig(t)
	r.Entra.SetReply(&entratest.Reply{Status: http.StatusTeapot, Body: "no tokens here", Header: http.Header{"Content-Type": {"text/plain"}}})
	_, err := r.credential(t).GetToken(t.Context(), scope(vault))
	require.Equal(t, 1, strings.Count(err.Error(), "teapot"), err)
	// The error's random IDs may contain 418 too.
	require.Equal(t, 1, strings.Count(err.Error(), "HTTP 418"), err)
	require.Equal(t, 1, strings.Count(err.Error(), "no tokens here"), err)
	require.Len(t, r.Entra.Requests(), 1)
	// Different: azidentity returns an AuthenticationFailedError with a RawResponse.
	e, ok := errors.AsType[*exchange.Error](err)
	require.True(t, ok)
	require.Equal(t, http.StatusTeapot, e.StatusCode)
}

func TestMigratedTimesAreUTC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		r.Entra.Lifetime, r.Entra.RefreshIn = 24*time.Hour, 12*time.Hour
		token := get(t, r.credential(t), scope(vault))
		require.Equal(t, time.Now().Add(24*time.Hour).UTC(), token.ExpiresOn)
		require.Equal(t, time.UTC, token.RefreshOn.Location())
		// Different: up to a quarter early.
		require.WithinRange(t, token.RefreshOn, time.Now().Add(9*time.Hour), time.Now().Add(12*time.Hour))
	})
}

// Different: azidentity's RefreshOn is zero if Entra ID gives no refresh time, and azcore then
// refreshes five minutes before expiry.
func TestMigratedRefreshOnIsAlwaysSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		token := get(t, r.credential(t), scope(vault))
		require.WithinRange(t, token.RefreshOn, time.Now().Add(22*time.Minute), time.Now().Add(30*time.Minute))
	})
}

func TestMigratedTelemetry(t *testing.T) {
	for name, row := range map[string]struct {
		options policy.TelemetryOptions
		want    string
	}{
		"default":  {policy.TelemetryOptions{}, `^azsdk-go-entrafed/v\d+\.\d+\.\d+ \(`},
		"app":      {policy.TelemetryOptions{ApplicationID: "my app"}, `^my/app azsdk-go-entrafed/`},
		"disabled": {policy.TelemetryOptions{Disabled: true}, `^$`},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.options.Telemetry = row.options
			get(t, r.credential(t), scope(vault))
			require.Regexp(t, row.want, r.Entra.Requests()[0].Header.Get("User-Agent"))
			require.Equal(t, row.options, r.options.Telemetry, "the options stay as they are")
		})
	}
}

func TestMigratedPoliciesRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBareRig(t)
		calls := map[string]int{}
		header := func(name string) policy.Policy {
			return policyFunc(func(req *policy.Request) (*http.Response, error) {
				calls[name]++
				req.Raw().Header.Set(name, "1")
				return req.Next()
			})
		}
		r.options.PerCallPolicies = []policy.Policy{header("X-Per-Call")}
		r.options.PerRetryPolicies = []policy.Policy{header("X-Per-Retry")}
		r.Entra.Enqueue(entratest.Reply{Status: http.StatusInternalServerError})
		get(t, r.credential(t), scope(vault))
		require.Equal(t, map[string]int{"X-Per-Call": 1, "X-Per-Retry": 2}, calls)
		for _, request := range r.Entra.Requests() {
			require.Equal(t, "1", request.Header.Get("X-Per-Call"))
			require.Equal(t, "1", request.Header.Get("X-Per-Retry"))
		}
	})
}

// Different: Retry.MaxRetryDelay is 5 s by default, not a minute, and a longer Retry-After is
// remembered.
func TestMigratedRetryOptions(t *testing.T) {
	for name, row := range map[string]struct {
		options policy.RetryOptions
		pause   time.Duration
		fails   bool
		waits   time.Duration
	}{
		"short pause":            {policy.RetryOptions{}, 5 * time.Second, false, 5 * time.Second},
		"long pause":             {policy.RetryOptions{}, 6 * time.Second, true, 0},
		"long pause, asked for":  {policy.RetryOptions{MaxRetryDelay: 10 * time.Second}, 6 * time.Second, false, 6 * time.Second},
		"no retries":             {policy.RetryOptions{MaxRetries: -1}, time.Second, true, 0},
		"not for these statuses": {policy.RetryOptions{StatusCodes: []int{}}, time.Second, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBareRig(t)
				r.options.Retry = row.options
				r.Entra.Enqueue(entratest.Throttle(row.pause))
				start := time.Now()
				_, err := r.credential(t).GetToken(t.Context(), scope(vault))
				require.Equal(t, row.fails, err != nil)
				require.Equal(t, row.waits, time.Since(start))
			})
		})
	}
}

func TestMigratedLogsHoldNoSecret(t *testing.T) {
	r := newRig(t)
	r.options.Logging = policy.LogOptions{IncludeBody: true, AllowedHeaders: []string{"Location", "X-Echo"}}
	var text strings.Builder
	azlog.SetListener(func(event azlog.Event, line string) { fmt.Fprintln(&text, event, line) })
	defer azlog.SetListener(nil)
	c := r.credential(t)
	issued := get(t, c, scope(vault))
	r.Entra.SetReply(&entratest.Reply{
		Status: http.StatusBadRequest, Body: `{"error":"invalid_client","error_description":"AADSTS50027: ` + r.Projection.Token() + `"}`,
		Header: http.Header{"X-Echo": {r.Projection.Token()}, "Location": {"https://evil.example/" + r.Projection.Token()}},
	})
	_, err := c.GetToken(t.Context(), scope(storage))
	require.Error(t, err)
	azlog.SetListener(nil)
	require.Contains(t, text.String(), "/oauth2/v2.0/token", "azcore's own events are still there")
	for what, secret := range map[string]string{"assertion": r.Projection.Token(), "access token": issued.Token} {
		signature := secret[strings.LastIndex(secret, ".")+1:]
		for i := 0; i+8 <= len(signature); i++ {
			require.False(t, strings.Contains(text.String(), signature[i:i+8]), what)
		}
	}
}

// Different: APIVersion and InsecureAllowCredentialWithHTTP could only do harm here.
func TestMigratedOptionsThatAreIgnored(t *testing.T) {
	r := newRig(t)
	r.options.APIVersion = "2020-01-01"
	seen := ""
	r.options.PerRetryPolicies = []policy.Policy{policyFunc(func(req *policy.Request) (*http.Response, error) {
		seen = req.Raw().URL.RawQuery
		return req.Next()
	})}
	get(t, r.credential(t), scope(vault))
	require.Empty(t, seen)

	r.options.InsecureAllowCredentialWithHTTP = true
	r.options.Cloud.ActiveDirectoryAuthorityHost = "http://login.example"
	_, err := credential.New(&r.options)
	require.ErrorContains(t, err, "not an https URL")
}

func TestMigratedCredentialsShareNothing(t *testing.T) {
	r := newRig(t)
	one, two := get(t, r.credential(t), scope(vault)), get(t, r.credential(t), scope(vault))
	require.False(t, one.Token == two.Token)
	require.Len(t, r.Entra.Requests(), 2)
}

func TestMigratedTokenProxy(t *testing.T) {
	for name, set := range map[string]func(t *testing.T, ca string){
		"CA as data": func(t *testing.T, ca string) { t.Setenv("AZURE_KUBERNETES_CA_DATA", ca) },
		"CA as file": func(t *testing.T, ca string) { t.Setenv("AZURE_KUBERNETES_CA_FILE", writeFile(t, ca)) },
		"server name": func(t *testing.T, ca string) {
			t.Setenv("AZURE_KUBERNETES_CA_DATA", ca)
			t.Setenv("AZURE_KUBERNETES_SNI_NAME", "example.com") // in the certificate of httptest
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newBoundRig(t)
			t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", r.url)
			set(t, r.ca)
			r.options.PerCallPolicies = []policy.Policy{heading("X-Policy")}
			get(t, r.credential(t), scope(vault))
			require.Nil(t, r.options.Transport, "the options stay as they are")
			require.Len(t, r.Entra.Requests(), 1)
			request := r.Entra.Requests()[0]
			require.Equal(t, "login.microsoftonline.com", request.Host)
			require.Equal(t, "/"+tenantID+"/oauth2/v2.0/token", request.Path)
			require.Equal(t, "yes", request.Header.Get("X-Policy"))
			require.True(t, r.Projection.Token() == request.Assertion)
		})
	}
}

// Different: azidentity replaces the Transport with its own. This credential keeps it, so it must
// be one that accepts a CA.
func TestMigratedTokenProxyKeepsTheTransport(t *testing.T) {
	r := newBoundRig(t)
	t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", r.url)
	t.Setenv("AZURE_KUBERNETES_CA_DATA", r.ca)
	r.options.Transport = r.Entra
	_, err := credential.New(&r.options)
	require.ErrorContains(t, err, "AZURE_KUBERNETES_CA_DATA")
	require.ErrorContains(t, err, "*http.Client")

	dialed := 0
	r.options.Transport = &http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { dialed++; return nil, nil }}}
	get(t, r.credential(t), scope(vault))
	require.Equal(t, 1, dialed)
}

func TestMigrationGuideNamesEveryOptionAndVariable(t *testing.T) {
	page, err := os.ReadFile("../docs/migrating-from-azidentity.md")
	require.NoError(t, err)
	for _, options := range []any{credential.Options{}, azcore.ClientOptions{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(options)) {
			assert.Contains(t, string(page), "`"+field.Name+"`")
		}
	}
	for _, name := range []string{
		"ClientOptions", "AdditionallyAllowedTenants", "Cache", "ClientID", "DisableInstanceDiscovery", "EnableAzureProxy", "TenantID", "TokenFilePath",
		"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "AZURE_REGIONAL_AUTHORITY_NAME",
		"AZURE_ADDITIONALLY_ALLOWED_TENANTS", "AZURE_KUBERNETES_TOKEN_PROXY", "…_SNI_NAME", "…_CA_FILE", "…_CA_DATA",
	} {
		assert.Contains(t, string(page), "`"+name+"`")
	}
}

func TestMigratedCredentialIsAzcores(t *testing.T) {
	r := newRig(t)
	var c azcore.TokenCredential = r.credential(t)
	token, err := c.GetToken(t.Context(), scope(vault))
	require.NoError(t, err)
	assert.NotEmpty(t, token.Token)
}
