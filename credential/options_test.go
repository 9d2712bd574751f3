package credential_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
)

func TestEnvironmentConfiguresTheCredential(t *testing.T) {
	r := newRig(t)
	t.Setenv("AZURE_CLIENT_ID", clientID+"\n") // as it comes out of a badly made Secret
	t.Setenv("AZURE_TENANT_ID", " "+tenantID)
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", r.file.Path())
	t.Setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")
	r.options = credential.Options{}
	r.options.Transport = &r.entra
	get(t, r.credential(t), scope(vault))
	request := r.entra.Requests()[0]
	require.Equal(t, clientID, request.ClientID)
	require.Equal(t, tenantID, request.TenantID)
	require.Equal(t, "login.microsoftonline.us", request.Host)
	require.Equal(t, r.file.Token(), request.Assertion)
}

func TestNewReadsNoTokenFile(t *testing.T) {
	r := newRig(t)
	r.options.TokenFilePath = "/does/not/exist/yet"
	r.credential(t)
	require.Empty(t, r.entra.Requests())
}

func TestNothingConfiguredSaysWhatThatMeans(t *testing.T) {
	clearEnvironment(t)
	for name, options := range map[string]*credential.Options{"nil": nil, "empty": {}, "in part": {ClientID: clientID}} {
		t.Run(name, func(t *testing.T) {
			_, err := credential.New(options)
			require.ErrorIs(t, err, credential.ErrNotConfigured)
			require.ErrorContains(t, err, `azure.workload.identity/use: "true"`)
			require.ErrorContains(t, err, "pod template")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestMalformedOptionsAreNoMissingEnvironment(t *testing.T) {
	r := newRig(t)
	r.options.TenantID = "bad tenant"
	_, err := credential.New(&r.options)
	require.ErrorContains(t, err, "bad tenant")
	require.NotErrorIs(t, err, credential.ErrNotConfigured)
}

func TestEveryMissingSettingIsNamedAtOnce(t *testing.T) {
	settings := map[string]string{"AZURE_CLIENT_ID": "Options.ClientID", "AZURE_TENANT_ID": "Options.TenantID", "AZURE_FEDERATED_TOKEN_FILE": "Options.TokenFilePath"}
	for present := range settings {
		t.Run("only "+present, func(t *testing.T) {
			clearEnvironment(t)
			t.Setenv(present, "value")
			_, err := credential.New(nil)
			require.Error(t, err)
			require.NotErrorIs(t, err, credential.ErrNotConfigured)
			for variable, option := range settings {
				if variable != present {
					require.ErrorContains(t, err, variable+" is not set: set it, or "+option)
				}
			}
			require.NotContains(t, err.Error(), present+" is not set")
		})
	}
}

func TestMalformedSettingsAreNamed(t *testing.T) {
	for name, row := range map[string]struct {
		bend func(*credential.Options)
		want []string
	}{
		"resource ID as client ID": {
			func(o *credential.Options) {
				o.ClientID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
			},
			[]string{"AZURE_CLIENT_ID", "Options.ClientID", "ARM resource ID", "az identity show --ids /subscriptions/s/"},
		},
		"tenant with a space":      {func(o *credential.Options) { o.TenantID = "my tenant" }, []string{"AZURE_TENANT_ID", "Options.TenantID", `"my tenant"`}},
		"tenant that leads astray": {func(o *credential.Options) { o.TenantID = "t/../../evil" }, []string{"AZURE_TENANT_ID", "Options.TenantID"}},
		"authority over http": {
			func(o *credential.Options) { o.Cloud.ActiveDirectoryAuthorityHost = "http://login.example" },
			[]string{"Options.Cloud", `"http://login.example"`, "https"},
		},
		"cloud without an authority": {
			func(o *credential.Options) {
				o.Cloud.Services = map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {}}
			},
			[]string{"Options.Cloud", "ActiveDirectoryAuthorityHost"},
		},
		"allowed tenant": {
			func(o *credential.Options) { o.AdditionallyAllowedTenants = []string{"ok", "b a d"} },
			[]string{"Options.AdditionallyAllowedTenants[1]", `"b a d"`},
		},
		"two sources": {
			func(o *credential.Options) {
				o.Assertion = func(context.Context) (string, error) { return "", nil }
			},
			[]string{"Options.Assertion", "Options.TokenFilePath"},
		},
		"two mistakes": {
			func(o *credential.Options) { o.TenantID, o.ClientID = "a b", "" },
			[]string{"AZURE_TENANT_ID", "AZURE_CLIENT_ID"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			row.bend(&r.options)
			_, err := credential.New(&r.options)
			require.Error(t, err)
			for _, want := range row.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// Values change places, and then one of these is the federated token. No error names more of it than where it is.
func TestTokenInThePlaceOfASettingIsNotShown(t *testing.T) {
	for name, row := range map[string]struct {
		set  func(t *testing.T, o *credential.Options, token string)
		want string
	}{
		"client ID": {
			func(_ *testing.T, o *credential.Options, token string) { o.ClientID = token },
			"AZURE_CLIENT_ID (or Options.ClientID) looks like a token",
		},
		"client ID, in quotes": {
			func(_ *testing.T, o *credential.Options, token string) { o.ClientID = `"` + token + `"` },
			"AZURE_CLIENT_ID (or Options.ClientID) looks like a token",
		},
		"client ID of the environment": {
			func(t *testing.T, o *credential.Options, token string) {
				o.ClientID = ""
				t.Setenv("AZURE_CLIENT_ID", token)
			},
			"AZURE_CLIENT_ID (or Options.ClientID) looks like a token",
		},
		"part of a resource ID": {
			func(_ *testing.T, o *credential.Options, token string) { o.ClientID = "/subscriptions/" + token },
			`is an ARM resource ID, "[redacted]": set the client ID of that identity, a GUID: az identity show --ids [redacted] --query clientId`,
		},
		"tenant": {
			func(_ *testing.T, o *credential.Options, token string) { o.TenantID = token },
			`AZURE_TENANT_ID (or Options.TenantID) is "[redacted]"`,
		},
		"tenant, with the characters of a domain name": {
			func(_ *testing.T, o *credential.Options, token string) {
				o.TenantID = strings.ReplaceAll(token, "_", "-")
			},
			`AZURE_TENANT_ID (or Options.TenantID) is "[redacted]"`,
		},
		"tenant of the environment": {
			func(t *testing.T, o *credential.Options, token string) {
				o.TenantID = ""
				t.Setenv("AZURE_TENANT_ID", token)
			},
			`AZURE_TENANT_ID (or Options.TenantID) is "[redacted]"`,
		},
		"allowed tenant": {
			func(_ *testing.T, o *credential.Options, token string) {
				o.AdditionallyAllowedTenants = []string{"*", token}
			},
			`Options.AdditionallyAllowedTenants[1] is "[redacted]"`,
		},
		"cloud": {
			func(_ *testing.T, o *credential.Options, token string) { o.Cloud.ActiveDirectoryAuthorityHost = token },
			`Options.Cloud: authority "[redacted]" is not`,
		},
		"authority": {
			func(t *testing.T, _ *credential.Options, token string) { t.Setenv("AZURE_AUTHORITY_HOST", token) },
			`AZURE_AUTHORITY_HOST: authority "[redacted]" is not`,
		},
		"region": {
			func(t *testing.T, _ *credential.Options, token string) {
				t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", token)
			},
			`AZURE_REGIONAL_AUTHORITY_NAME: region "[redacted]" is not`,
		},
		"token proxy": {
			func(t *testing.T, o *credential.Options, token string) {
				o.EnableAzureProxy, o.Transport = true, nil
				t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", token)
			},
			`AZURE_KUBERNETES_TOKEN_PROXY: token proxy "[redacted]" is not`,
		},
		"CA file": {
			func(t *testing.T, o *credential.Options, token string) {
				o.EnableAzureProxy, o.Transport = true, nil
				t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy.example")
				t.Setenv("AZURE_KUBERNETES_CA_FILE", token)
			},
			`AZURE_KUBERNETES_CA_FILE: CA file "[redacted]"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			token := r.file.Token()
			row.set(t, &r.options, token)
			_, err := credential.New(&r.options)
			require.ErrorContains(t, err, row.want)
			for text := range strings.SplitSeq(token, ".") {
				require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), text[:20])
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// An application ID URI may have letters in it that a token begins with, and Entra ID is the judge of it.
func TestClientIDThatIsAURIIsNotTakenForAToken(t *testing.T) {
	r := newRig(t)
	r.options.ClientID = "api://contoso.example/SurveyJobs-of-the-whole-company"
	get(t, r.credential(t), scope(vault))
	require.Equal(t, r.options.ClientID, r.entra.Requests()[0].ClientID)
}

// thrown is an error of a user's source, of a type of its own.
type thrown struct{ text string }

func (e *thrown) Error() string { return e.text }

func TestErrorsOfTheAssertionAreWrapped(t *testing.T) {
	token := newRig(t).file.Token()
	for name, row := range map[string]struct {
		text, want string
		found      bool
	}{
		"short":                    {"the vault is sealed", "Options.Assertion: the vault is sealed", true},
		"of two lines":             {"sealed\nlevel=ERROR msg=forged", "Options.Assertion: sealed level=ERROR msg=forged", true},
		"long":                     {strings.Repeat("sealed ", 1000), "Options.Assertion: sealed sealed", true},
		"with a token":             {"cannot parse " + token, "Options.Assertion: cannot parse [redacted]", false},
		"with a token, far behind": {strings.Repeat("sealed ", 1000) + token, "Options.Assertion: sealed sealed", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			cause := &thrown{row.text}
			r.options.TokenFilePath = ""
			r.options.Assertion = func(context.Context) (string, error) { return "", errors.Join(cause, fs.ErrNotExist) }
			_, err := r.credential(t).GetToken(t.Context(), scope(vault))
			require.ErrorContains(t, err, row.want)
			require.ErrorIs(t, err, fs.ErrNotExist)
			found, ok := errors.AsType[*thrown](err)
			require.Equal(t, row.found, ok)
			require.True(t, !ok || found == cause)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), token[:20])
			require.Less(t, len(err.Error()), 2500)
			require.Empty(t, r.entra.Requests())
		})
	}
}

func TestNewDoesNotChangeTheOptions(t *testing.T) {
	r := newRig(t)
	before := r.options
	r.credential(t)
	require.Equal(t, before.Retry, r.options.Retry)
	require.Equal(t, before.Transport, r.options.Transport)
}
