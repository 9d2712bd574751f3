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
	t.Setenv("AZURE_CLIENT_ID", clientID+"\n") // as from a badly made Secret
	t.Setenv("AZURE_TENANT_ID", " "+tenantID)
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", r.Projection.Path())
	t.Setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")
	r.options = credential.Options{}
	r.options.Transport = r.Entra
	get(t, r.credential(t), scope(vault))
	request := r.Entra.Requests()[0]
	require.Equal(t, clientID, request.ClientID)
	require.Equal(t, tenantID, request.TenantID)
	require.Equal(t, "login.microsoftonline.us", request.Host)
	require.Equal(t, r.Projection.Token(), request.Assertion)
}

func TestNewReadsNoTokenFile(t *testing.T) {
	r := newRig(t)
	r.options.TokenFilePath = "/does/not/exist/yet"
	r.credential(t)
	require.Empty(t, r.Entra.Requests())
}

// A reader of the first problem should check the webhook, not set variables by hand.
func TestNothingConfiguredBeginsWithTheCause(t *testing.T) {
	clearEnvironment(t)
	for name, options := range map[string]*credential.Options{"nil": nil, "empty": {}, "in part": {ClientID: clientID}} {
		t.Run(name, func(t *testing.T) {
			_, err := credential.New(options)
			require.ErrorIs(t, err, credential.ErrNotConfigured)
			require.Regexp(t, "^credential: no workload identity is configured here: in a pod, the workload identity webhook did not change the pod, or not this container: ", err.Error())
			for _, why := range []string{
				`the pod template needs the label azure.workload.identity/use: "true"`, "azure.workload.identity/skip-containers", "ephemeral", "another webhook",
				"AKS keeps it out of kube-system", "azure.workload.identity/client-id",
			} {
				require.ErrorContains(t, err, why)
			}
			require.Less(t, strings.Index(err.Error(), "kube-system"), strings.Index(err.Error(), "is not set"))
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// Wrong options do not mean that nothing is configured.
func TestOddPathIsNotAMissingEnvironment(t *testing.T) {
	clearEnvironment(t)
	_, err := credential.New(&credential.Options{ClientID: clientID, TenantID: tenantID, TokenFilePath: "${TOKEN_FILE}"})
	require.ErrorContains(t, err, "placeholder")
	require.NotErrorIs(t, err, credential.ErrNotConfigured)
}

// The webhook injects no empty value, so the container's env sets it.
func TestVariableThatIsSetToNothing(t *testing.T) {
	for _, variable := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"} {
		for _, nothing := range []string{"", " \n"} {
			r := newRig(t)
			for _, assignment := range r.Env() {
				name, value, _ := strings.Cut(assignment, "=")
				t.Setenv(name, value)
			}
			t.Setenv(variable, nothing)
			_, err := credential.New(nil)
			require.ErrorContains(t, err, "credential: "+variable+" is set but empty: remove it")
			require.NotContains(t, err.Error(), "; AZURE_", "one problem")
			require.NotErrorIs(t, err, credential.ErrNotConfigured)

			clearEnvironment(t)
			t.Setenv(variable, nothing)
			_, err = credential.New(nil)
			require.ErrorIs(t, err, credential.ErrNotConfigured, "there is no value, even if somebody set the variable")
			require.NotContains(t, err.Error(), "webhook did not change", "the container's env sets the variable, so the webhook keeps it")
		}
	}
}

func TestMalformedOptionsDoNotMeanNotConfigured(t *testing.T) {
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

// settings are the places where a value can be set, with their names in New's error.
var settings = map[string]func(t *testing.T, o *credential.Options, value string){
	"AZURE_CLIENT_ID (or Options.ClientID)": func(_ *testing.T, o *credential.Options, value string) { o.ClientID = value },
	"AZURE_TENANT_ID (or Options.TenantID)": func(t *testing.T, o *credential.Options, value string) {
		o.TenantID = ""
		t.Setenv("AZURE_TENANT_ID", value)
	},
	"AZURE_FEDERATED_TOKEN_FILE (or Options.TokenFilePath)": func(t *testing.T, o *credential.Options, value string) {
		o.TokenFilePath = ""
		t.Setenv("AZURE_FEDERATED_TOKEN_FILE", value)
	},
	"Options.AdditionallyAllowedTenants[1]": func(_ *testing.T, o *credential.Options, value string) {
		o.AdditionallyAllowedTenants = []string{"*", value}
	},
	"AZURE_AUTHORITY_HOST": func(t *testing.T, _ *credential.Options, value string) { t.Setenv("AZURE_AUTHORITY_HOST", value) },
	"AZURE_REGIONAL_AUTHORITY_NAME": func(t *testing.T, _ *credential.Options, value string) {
		t.Setenv("AZURE_REGIONAL_AUTHORITY_NAME", value)
	},
	"AZURE_KUBERNETES_TOKEN_PROXY": bound("AZURE_KUBERNETES_TOKEN_PROXY"),
	"AZURE_KUBERNETES_SNI_NAME":    bound("AZURE_KUBERNETES_SNI_NAME"),
	"AZURE_KUBERNETES_CA_FILE":     bound("AZURE_KUBERNETES_CA_FILE"),
}

// bound sets one variable of an identity binding.
func bound(variable string) func(*testing.T, *credential.Options, string) {
	return func(t *testing.T, o *credential.Options, value string) {
		o.EnableAzureProxy, o.Transport = true, nil
		t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy.example")
		t.Setenv(variable, value)
	}
}

// Values get swapped, and then one of these settings holds the federated token, with whatever
// people copy along with it. The error names the setting and shows nothing of the token.
func TestTokenInsteadOfASettingIsNotShown(t *testing.T) {
	for disguise, wear := range map[string]func(token string) string{
		"plain":          func(token string) string { return token },
		"in quotes":      func(token string) string { return `"` + token + `"` },
		"in half quotes": func(token string) string { return `'` + token },
		"a header":       func(token string) string { return "Bearer " + token },
		"lower case":     func(token string) string { return "bearer\t" + token },
		"a pair":         func(token string) string { return "token=" + token },
		"another pair":   func(token string) string { return `"access_token": "` + token + `"` },
		"a resource ID":  func(token string) string { return "/subscriptions/" + token },
		"two segments":   func(token string) string { return token[:strings.LastIndexByte(token, '.')] },
		"in lines": func(token string) string {
			return token[:15] + "\n" + token[15:len(token)-60] + "\r\n" + token[len(token)-60:]
		},
	} {
		for name, set := range settings {
			t.Run(disguise+"/"+name, func(t *testing.T) {
				r := newRig(t)
				token := r.Projection.Token()
				set(t, &r.options, wear(token))
				_, err := credential.New(&r.options)
				require.ErrorContains(t, err, name+" looks like a token, so it is not shown: set ")
				require.NotContains(t, err.Error(), ";", "one problem")
				require.NotContains(t, err.Error(), "\n")
				requireNothingOf(t, token, fmt.Sprintf("%v %+v %#v", err, err, err))
			})
		}
	}
}

// requireNothingOf fails if text contains a piece of the token.
func requireNothingOf(t *testing.T, token, text string) {
	t.Helper()
	for i := 0; i+10 <= len(token); i++ {
		require.False(t, strings.Contains(text, token[i:i+10]), "the text holds a piece of the token")
	}
}

// No environment variable sets this option.
func TestTokenInsteadOfACloudIsNotShown(t *testing.T) {
	r := newRig(t)
	r.options.Cloud.ActiveDirectoryAuthorityHost = r.Projection.Token()
	_, err := credential.New(&r.options)
	require.ErrorContains(t, err, `Options.Cloud: authority "[redacted]" is not`)
	requireNothingOf(t, r.Projection.Token(), fmt.Sprintf("%v %+v %#v", err, err, err))
}

// For each setting, the error names leftover placeholders and quotes of a template engine or a
// shell.
func TestValueThatNobodyMeantIsNamed(t *testing.T) {
	for value, want := range map[string]string{
		"${CLIENT_ID}":            `is "${CLIENT_ID}", with a placeholder that was not replaced: set `,
		"$(CLIENT_ID)":            `is "$(CLIENT_ID)", with a placeholder that was not replaced: set `,
		"{{ .Values.clientID }}":  `is "{{ .Values.clientID }}", with a placeholder that was not replaced: set `,
		"<client-id>":             `is "<client-id>", with a placeholder that was not replaced: set `,
		"REPLACE-WITH-CLIENT-ID":  `is "REPLACE-WITH-CLIENT-ID", with a placeholder that was not replaced: set `,
		"https://${HOST}/":        `is "https://${HOST}/", with a placeholder that was not replaced: set `,
		`"` + clientID + `"`:      `is "` + clientID + `", with quotes around it: set `,
		`'` + clientID:            `is '` + clientID + `, with quotes around it: set `,
		"file:///var/run/a/token": `is "file:///var/run/a/token", a URL: set `,
	} {
		for name, set := range settings {
			t.Run("", func(t *testing.T) { // a name would become part of the token file's path
				r := newRig(t)
				set(t, &r.options, value)
				_, err := credential.New(&r.options)
				require.ErrorContains(t, err, "credential: "+name+" "+want)
				require.NotContains(t, err.Error(), ";", "one problem")
			})
		}
	}
}

// A path may contain letters that a token begins with.
func TestPathThatIsNotATokenIsTaken(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/home/MonkeyJungleOfTheZoo/001/volume/token", "/run/secrets/token/eyJ", "token", `C:\var\run\secrets\token`} {
		r.options.TokenFilePath = path
		_, err := credential.New(&r.options)
		require.NoError(t, err)
	}
}

// An application ID URI may contain letters that a token begins with. Entra ID judges whether it is
// valid.
func TestClientIDThatIsAURIIsNotTakenForAToken(t *testing.T) {
	r := newRig(t)
	r.options.ClientID = "api://contoso.example/SurveyJobs-of-the-whole-company"
	r.reregister(t, tenantID, r.options.ClientID)
	get(t, r.credential(t), scope(vault))
	require.Equal(t, r.options.ClientID, r.Entra.Requests()[0].ClientID)
}

// thrown is a user's own error type.
type thrown struct{ text string }

func (e *thrown) Error() string { return e.text }

func TestErrorsOfTheAssertionAreWrapped(t *testing.T) {
	token := newRig(t).Projection.Token()
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
			require.Empty(t, r.Entra.Requests())
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
