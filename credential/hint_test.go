package credential_test

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/aadsts"
)

// In every row one thing of a right setup is broken, and the error says which and how to mend it, in words that Entra ID's
// reply does not have.
func TestBrokenSetupIsNamedWithItsFix(t *testing.T) {
	const (
		github      = "https://token.actions.githubusercontent.com"
		entraIssuer = "https://login.microsoftonline.com/" + tenantID + "/v2.0"
		objectID    = "99999999-8888-4777-8666-555555555555"
		other       = "22222222-3333-4444-8555-666666666666"
		update      = "az identity federated-credential update"
	)
	subject := ordersCredential().Subject
	registered := func(change func(*entratest.FederatedCredential)) func(*testing.T, *rig) {
		return func(t *testing.T, r *rig) {
			f := ordersCredential()
			change(&f)
			r.reregister(t, f)
		}
	}
	mounted := func(bend func(*entratest.TokenRequest)) func(*testing.T, *rig) {
		return func(t *testing.T, r *rig) { r.mount(t, bend) }
	}
	claimed := func(bend func(jwt.MapClaims)) func(*testing.T, *rig) {
		return func(t *testing.T, r *rig) { r.issue(t, bend) }
	}
	unset := func(variable string) func(*testing.T, *rig) {
		return func(t *testing.T, r *rig) {
			t.Setenv("AZURE_CLIENT_ID", clientID)
			t.Setenv("AZURE_TENANT_ID", tenantID)
			t.Setenv("AZURE_FEDERATED_TOKEN_FILE", r.file.Path())
			t.Setenv(variable, "")
			r.options.ClientID, r.options.TenantID, r.options.TokenFilePath = "", "", ""
		}
	}
	for _, row := range []struct {
		name   string
		code   int // Entra ID's, 0 if it was not asked or said none
		broken func(*testing.T, *rig)
		scope  string // "" is the vault's
		want   []string
	}{
		// The federated credential.
		{"no federated credential", 70025, func(t *testing.T, r *rig) {
			f := ordersCredential()
			f.Issuer = entratest.DefaultIssuer
			require.NoError(t, r.entra.Revoke(f))
		}, "", []string{"the identity has no federated credential", "az identity federated-credential create", `--issuer "` + entratest.DefaultIssuer + `"`, `--subject "` + subject + `"`}},
		{"made just now", 70025, func(t *testing.T, r *rig) {
			r.entra.PropagationDelay = time.Hour
			registered(func(*entratest.FederatedCredential) {})(t, r)
		}, "", []string{"a new one counts after some minutes"}},
		{"registered without the issuer's slash", 700211, registered(func(f *entratest.FederatedCredential) {
			f.Issuer = strings.TrimSuffix(entratest.DefaultIssuer, "/")
		}), "", []string{"exactly this issuer (with the slash at its end)", `register the issuer "` + entratest.DefaultIssuer + `"`, update}},
		{"registered with a slash that the issuer has not", 700211, claimed(func(c jwt.MapClaims) {
			c["iss"] = strings.TrimSuffix(entratest.DefaultIssuer, "/")
		}), "", []string{"exactly this issuer (without a slash at its end)", `register the issuer "` + strings.TrimSuffix(entratest.DefaultIssuer, "/") + `"`}},
		{"cluster made anew", 700211, registered(func(f *entratest.FederatedCredential) {
			f.Issuer = strings.Replace(entratest.DefaultIssuer, "20000000", "30000000", 1)
		}), "", []string{"a cluster made anew has a new one", `"` + entratest.DefaultIssuer + `"`}},
		{"another issuer that is no cluster", 700211, claimed(func(c jwt.MapClaims) { c["iss"], c["sub"] = github, "repo:o/r:ref:refs/heads/main" }), "",
			[]string{`register the issuer "` + github + `"`, update}},
		{"issuer within the cluster", 700211, claimed(func(c jwt.MapClaims) { c["iss"] = "https://kubernetes.default.svc.cluster.local" }), "",
			[]string{`the issuer "https://kubernetes.default.svc.cluster.local" is not a public https URL`, "az aks update --enable-oidc-issuer", "--service-account-issuer"}},
		{"another namespace", 700213, mounted(func(q *entratest.TokenRequest) { q.Namespace = "staging" }), "",
			[]string{`subject of service account "orders" in namespace "staging"`, `register "system:serviceaccount:staging:orders"`, update, "serviceAccountName"}},
		{"no serviceAccountName", 700213, mounted(func(q *entratest.TokenRequest) { q.ServiceAccount = "default" }), "",
			[]string{"service account default", "set serviceAccountName in the pod template"}},
		{"registered with a capital letter", 7002138, registered(func(f *entratest.FederatedCredential) {
			f.Subject = "system:serviceaccount:shop:Orders"
		}), "", []string{"registered subject has capital letters", "names in Kubernetes never", `--subject "` + subject + `"`}},
		{"workflow on another branch", 700213, func(t *testing.T, r *rig) {
			registered(func(f *entratest.FederatedCredential) { f.Issuer, f.Subject = github, "repo:o/r:ref:refs/heads/main" })(t, r)
			r.issue(t, func(c jwt.MapClaims) { c["iss"], c["sub"] = github, "repo:o/r:ref:refs/heads/dev" })
		}, "", []string{`exactly the subject "repo:o/r:ref:refs/heads/dev"`, "branch, tag, pull request and environment"}},
		{"repository in another case", 7002138, func(t *testing.T, r *rig) {
			registered(func(f *entratest.FederatedCredential) { f.Issuer, f.Subject = github, "repo:o/r:ref:refs/heads/main" })(t, r)
			r.issue(t, func(c jwt.MapClaims) { c["iss"], c["sub"] = github, "repo:O/R:ref:refs/heads/main" })
		}, "", []string{`registered subject and "repo:O/R:ref:refs/heads/main" differ in upper and lower case`, "exactly as presented"}},
		{"workload of another issuer", 700213, claimed(func(c jwt.MapClaims) { c["sub"] = "spiffe://shop/orders" }), "",
			[]string{`exactly the subject "spiffe://shop/orders"`, "register that subject"}},
		{"registered for another audience", 700212, registered(func(f *entratest.FederatedCredential) { f.Audiences = []string{"api://mine"} }), "",
			[]string{`another audience than "api://AzureADTokenExchange"`, "--audiences", "projected volume"}},

		// The wrong token.
		{"the pod's own token", 700212, mounted(func(q *entratest.TokenRequest) {
			q.Audiences = []string{"https://kubernetes.default.svc.cluster.local"}
		}), "",
			[]string{"the pod's own for Kubernetes (audience ", "AZURE_FEDERATED_TOKEN_FILE", "serviceAccountToken volume with the audience api://AzureADTokenExchange"}},
		{"token for the token proxy", 700212, mounted(func(q *entratest.TokenRequest) { q.Audiences = []string{"api://AKSIdentityBinding"} }), "",
			[]string{"token's audience is api://AKSIdentityBinding", "set Options.EnableAzureProxy", "AZURE_KUBERNETES_TOKEN_PROXY"}},
		{"token for Entra ID at the token proxy", 0, func(t *testing.T, r *rig) {
			t.Setenv("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy.example")
			r.options.EnableAzureProxy, r.options.Transport = true, &entratest.TokenProxy{Server: &r.entra}
		}, "", []string{`audience is "api://AzureADTokenExchange", and the token proxy takes only api://AKSIdentityBinding`, "azure.workload.identity/use-identity-binding"}},
		{"token from a Secret", 700211, claimed(func(c jwt.MapClaims) { c["iss"] = "kubernetes/serviceaccount"; delete(c, "exp") }), "",
			[]string{"token is from a Secret of a service account", "serviceAccountToken volume"}},
		{"access token of Entra ID", 700222, claimed(func(c jwt.MapClaims) {
			c["iss"], c["aud"] = "https://sts.windows.net/"+tenantID+"/", "https://vault.azure.net"
		}), "",
			[]string{`access token that Entra ID issued for "https://vault.azure.net", not a federated token`, "workload's own issuer"}},
		{"managed identity that is not registered", 700222, claimed(func(c jwt.MapClaims) { c["iss"], c["sub"] = entraIssuer, objectID }), "",
			[]string{`for this managed identity, with the issuer "` + entraIssuer + `"`, `subject "` + objectID + `", the identity's object ID`}},
		{"managed identity registered by its client ID", 700213, func(t *testing.T, r *rig) {
			registered(func(f *entratest.FederatedCredential) { f.Issuer, f.Subject = entraIssuer, other })(t, r)
			r.issue(t, func(c jwt.MapClaims) { c["iss"], c["sub"] = entraIssuer, objectID })
		}, "", []string{`subject "` + objectID + `", the identity's object ID`}},
		{"audience of another cloud", 700212, mounted(func(q *entratest.TokenRequest) { q.Audiences = []string{"api://AzureADTokenExchangeUSGov"} }), "",
			[]string{`audience is for Azure Government, but the authority "login.microsoftonline.com" is of the public cloud`, "AZURE_AUTHORITY_HOST"}},

		// The token's lifetime, form and signature.
		{"token for thirty hours", 70023, mounted(func(q *entratest.TokenRequest) { q.Lifetime = 30 * time.Hour }), "",
			[]string{"lifetime is 30h0m0s", "24 h is the most", "azure.workload.identity/service-account-token-expiration"}},
		{"token without iat", 70023, claimed(func(c jwt.MapClaims) { delete(c, "iat") }), "", []string{"no iat", "lifetime"}},
		{"token without exp", 70023, claimed(func(c jwt.MapClaims) { delete(c, "exp") }), "", []string{"no exp", "lifetime is unlimited"}},
		{"token that the program kept", 700024, mounted(func(q *entratest.TokenRequest) { q.Lifetime = -time.Hour }), "",
			[]string{"federated token from Options.Assertion expired 1h0m0s ago", "return a new token at each call"}},
		{"token of an issuer whose clock is ahead", 700024, claimed(func(c jwt.MapClaims) { c["nbf"] = time.Now().Add(20 * time.Minute).Unix() }), "",
			[]string{"federated token is not valid before ", "issuer's clock is ahead", "NTP"}},
		{"file that nobody renews", 0, func(t *testing.T, r *rig) {
			token, err := r.cluster.Token(entratest.TokenRequest{Lifetime: -time.Hour})
			require.NoError(t, err)
			r.options.TokenFilePath = writeFile(t, token)
		}, "", []string{"the token has expired: at ", "1h0m0s ago", "subPath"}},
		{"volume that is not mounted", 0, func(_ *testing.T, r *rig) { r.options.TokenFilePath += ".missing" }, "", []string{".missing", "volume is mounted"}},
		{"elliptic key", 5002738, func(t *testing.T, r *rig) { r.present(sign(t, jwt.SigningMethodES256, func(jwt.MapClaims) {})) }, "",
			[]string{`signed with "ES256"`, "RSA key", "--service-account-signing-key-file"}},
		{"something else than a token", 50027, func(_ *testing.T, r *rig) { r.present("hunter2hunter2") }, "",
			[]string{"what came from Options.Assertion is not a JSON Web Token", "three parts in base64url"}},
		{"claim of a type that it cannot have", 50027, claimed(func(c jwt.MapClaims) { c["sub"] = 5 }), "", []string{"federated token", "each claim of its own type"}},
		{"another cluster with the same issuer", 7000272, func(t *testing.T, r *rig) {
			var twin entratest.Cluster
			require.NoError(t, twin.RotateKey())
			token, err := twin.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders"})
			require.NoError(t, err)
			r.present(token)
		}, "", []string{"not in the issuer's key set", "kubectl get --raw /openid/v1/jwks", "20 to 30 minutes"}},
		{"token changed on its way", 7000274, func(t *testing.T, r *rig) {
			token, err := r.cluster.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders"})
			require.NoError(t, err)
			at := strings.LastIndex(token, ".") + 20
			r.present(token[:at] + strings.Map(func(c rune) rune { return map[bool]rune{true: 'B', false: 'A'}[c == 'A'] }, token[at:at+1]) + token[at+1:])
		}, "", []string{"altered after signing", "Options.Assertion"}},

		// The issuer, as Entra ID sees it.
		{"issuer is down or private", 90061, func(_ *testing.T, r *rig) { r.cluster.SetUnavailable(true) }, "",
			[]string{`could not fetch "` + entratest.DefaultIssuer + `"`, "public internet", "az aks update --enable-oidc-issuer"}},
		{"issuer serves a sign-in page", 50166, func(t *testing.T, r *rig) { r.issuerThatServes(t, "<html>sign in</html>") }, "",
			[]string{"could not fetch", ".well-known/openid-configuration", "without sign-in or firewall"}},
		{"registered issuer with a private address", 90061, func(t *testing.T, r *rig) {
			registered(func(f *entratest.FederatedCredential) { f.Issuer = "https://10.0.0.1" })(t, r)
			private := &entratest.Cluster{Issuer: "https://10.0.0.1"}
			private.SetUnavailable(true)
			require.NoError(t, r.entra.TrustCluster(private))
			token, err := private.Token(entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders"})
			require.NoError(t, err)
			r.present(token)
		}, "", []string{`the issuer "https://10.0.0.1" is not a public https URL`}},

		// Identity, tenant, cloud.
		{"object ID as client ID", 700016, func(t *testing.T, r *rig) {
			r.options.ClientID = objectID
			r.issue(t, func(c jwt.MapClaims) { c["iss"] = "https://issuer.example" })
		}, "",
			[]string{`client ID "` + objectID + `" is not in tenant "` + tenantID, "object (principal) ID", "az identity show --query clientId"}},
		{"identity of the cluster's tenant", 700016, func(_ *testing.T, r *rig) { r.options.ClientID = other }, "",
			[]string{"perhaps in the AKS cluster's, 10000000-0000-4000-8000-000000000001", "az identity show --query tenantId", "--query clientId"}},
		{"name as client ID", 700016, func(_ *testing.T, r *rig) { r.options.ClientID = "orders-identity" }, "",
			[]string{`client ID "orders-identity" is not a GUID`, "az identity show --query clientId"}},
		{"tenant as client ID", 700016, func(_ *testing.T, r *rig) { r.options.ClientID = tenantID }, "", []string{"tenant and the client ID are the same", "--query clientId"}},
		{"resource ID as client ID", 0, func(_ *testing.T, r *rig) { r.options.ClientID = "/subscriptions/s/resourceGroups/g" }, "", []string{"ARM resource ID", "--query clientId"}},
		{"wrong tenant", 90002, func(t *testing.T, r *rig) {
			r.options.TenantID = other
			r.issue(t, func(c jwt.MapClaims) { c["iss"] = "https://issuer.example" })
		}, "",
			[]string{`tenant "` + other + `" does not exist at "login.microsoftonline.com"`, "az account show --query tenantId", "az cloud show"}},
		{"another tenant than the cluster's", 90002, func(_ *testing.T, r *rig) { r.options.TenantID = other }, "",
			[]string{"AKS cluster's, 10000000-0000-4000-8000-000000000001", "az identity show --query tenantId"}},
		{"common as tenant", 90002, func(_ *testing.T, r *rig) { r.options.TenantID = "common" }, "", []string{`"common" is no tenant`, "AZURE_TENANT_ID"}},
		{"malformed tenant", 900023, func(_ *testing.T, r *rig) { r.options.TenantID = "contoso-" }, "", []string{`tenant "contoso-" is neither a GUID nor a domain name`, "AZURE_TENANT_ID"}},
		{"tenant of another cloud", 90002, func(_ *testing.T, r *rig) { r.options.TenantID = other }, "https://vault.usgovcloudapi.net/.default",
			[]string{"is of Azure Government, but the authority", "AZURE_AUTHORITY_HOST (or Options.Cloud) to https://login.microsoftonline.us"}},
		{"disabled application", 7000112, func(t *testing.T, r *rig) { require.NoError(t, r.entra.SetDisabled(tenantID, clientID, true)) }, "",
			[]string{"client ID \"" + clientID, "is disabled in tenant", "az ad sp update --set accountEnabled=true"}},

		// Scope.
		{"scope without its suffix", 1002012, nil, "https://vault.azure.net", []string{`scope "https://vault.azure.net" lacks /.default`, `as in "https://vault.azure.net/.default"`}},
		{"scope that is a permission", 1002012, nil, "https://graph.microsoft.com/User.Read", []string{`"https://graph.microsoft.com/User.Read" lacks /.default`}},
		{"scope that is encoded", 500011, nil, "https%3A%2F%2Fvault.azure.net/.default", []string{"encoded for a URL already"}},
		{"unknown resource", 500011, nil, "https://typo.azure.net/.default", []string{`no resource of the scope "https://typo.azure.net/.default"`, "application ID URI"}},
		{"a vault's own address", 500011, nil, "https://mine.vault.azure.net/.default", []string{"a key vault's own address", "ask for https://vault.azure.net/.default"}},
		{"resource of another cloud", 500011, nil, "https://vault.azure.cn/.default", []string{"is of Azure China, but the authority", "https://login.partner.microsoftonline.cn"}},
		{"two resources", 700022, nil, vault + " " + storage, []string{"the scope", "several resources", "GetToken once for each"}},

		// The environment.
		{"service account without the annotation", 0, unset("AZURE_CLIENT_ID"), "", []string{"AZURE_CLIENT_ID is not set", "service account lacks the annotation azure.workload.identity/client-id"}},
		{"webhook without a tenant", 0, unset("AZURE_TENANT_ID"), "", []string{"AZURE_TENANT_ID is not set", "azureTenantID", "azure.workload.identity/tenant-id"}},
		{"pod without the label", 0, unset("AZURE_FEDERATED_TOKEN_FILE"), "", []string{"AZURE_FEDERATED_TOKEN_FILE is not set", `azure.workload.identity/use: "true"`, "pod template"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newHintRig(t)
			r.entra.AllowResource("https://vault.azure.net", "https://storage.azure.com")
			require.NoError(t, failure(t, &r.options, vault), "the right setup")
			if row.broken != nil {
				row.broken(t, r)
			}
			asked := row.scope
			if asked == "" {
				asked = vault
			}
			err := failure(t, &r.options, asked)
			require.Error(t, err)
			refusal, _ := errors.AsType[*exchange.Error](err)
			if row.code != 0 {
				require.Equal(t, []int{row.code}, refusal.EntraCodes)
			}
			for _, want := range row.want {
				require.Contains(t, ours(err), want)
			}
			if refusal != nil {
				checkHint(t, err)
			}
		})
	}
}

// checkHint holds for the hint of every refusal.
func checkHint(t *testing.T, err error) {
	t.Helper()
	_, hint, ok := strings.Cut(err.Error(), "; likely cause: ")
	require.True(t, ok, err.Error())
	require.Contains(t, hint, "; fix: ")
	require.Less(t, len("likely cause: "+hint), 400, hint)
	require.NotRegexp(t, regexp.MustCompile(`\{[a-z ]+\}|""`), hint)
	require.NotContains(t, err.Error(), "\n")

	block := fmt.Sprintf("%+v", err)
	require.NotContains(t, err.Error()+block, "eyJ", "the federated token")
	for _, line := range []string{"asked for:", "Entra said:", "presented:", "likely cause:", "fix:"} {
		require.Contains(t, block, "\n  "+line)
	}
	cause, fix, _ := strings.Cut(hint, "; fix: ")
	require.Contains(t, block, cause)
	require.Contains(t, block, fix)
}

// What the fake does not judge is refused on order. Each code that is known has a cause and a fix that name the field.
func TestEveryKnownCodeHasAHint(t *testing.T) {
	r := newHintRig(t)
	c := r.credential(t)
	for i, entry := range aadsts.All() {
		r.entra.SetReply(new(entratest.Refuse(entry.Code)))
		_, err := c.GetToken(t.Context(), scope(fmt.Sprintf("https://%d.example/.default", i)))
		checkHint(t, err)
		require.Contains(t, ours(err), string(entry.Field), entry.Code)
		require.Contains(t, fmt.Sprintf("%+v", err), entry.Means)
	}
}

func TestNothingKnownIsNoHint(t *testing.T) {
	for name, reply := range map[string]entratest.Reply{
		"unknown code": entratest.Refuse(4242424), "throttled": entratest.Throttle(0), "no OAuth": {Status: 403, Body: "go away"},
		"an answer that cannot be used": {Status: 200, Body: "{}"}, "no answer": {Err: errors.New("no route")},
	} {
		t.Run(name, func(t *testing.T) {
			r := newHintRig(t)
			r.entra.SetReply(&reply)
			err := failure(t, &r.options, vault)
			require.Error(t, err)
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err)} {
				require.NotContains(t, text, "likely cause")
				require.NotContains(t, text, "fix:")
			}
		})
	}
}

// Entra ID's clock counts, and the reply's date tells it.
func TestClockThatIsOffIsNamed(t *testing.T) {
	for name, row := range map[string]struct {
		ahead    time.Duration // of the bubble's year 2000
		lifetime time.Duration // of a token that is issued where the clock is right; 0: it is issued here
		want     []string
	}{
		"behind": {0, -time.Hour, []string{"the clock of this machine is ", " behind Entra ID's: the federated token expired at ", "unnoticed", "NTP"}},
		"ahead":  {100 * 365 * 24 * time.Hour, 0, []string{"federated token is not valid before 2099-", "the clock of this machine is ", " ahead of Entra ID's", "NTP"}},
	} {
		t.Run(name, func(t *testing.T) {
			var entra entratest.Server
			var cluster entratest.Cluster
			require.NoError(t, entra.TrustCluster(&cluster, ordersCredential()))
			request := entratest.TokenRequest{Namespace: "shop", ServiceAccount: "orders", Lifetime: row.lifetime}
			token, err := cluster.Token(request)
			require.NoError(t, err)
			far := newElsewhere(t, &entra)
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(row.ahead)
				if row.ahead > 0 {
					token, err = cluster.Token(request)
					require.NoError(t, err)
				}
				r := newBareRig(t)
				r.options.Transport, r.options.TokenFilePath = far, writeFile(t, token)
				err := failure(t, &r.options, vault)
				require.Error(t, err)
				checkHint(t, err)
				for _, want := range row.want {
					require.Contains(t, ours(err), want)
				}
			})
		})
	}
}

// Entra ID forgives a few minutes, the fake always as many; where it does not, the file is named.
func TestFileThatIsRenewedTooLateIsNamed(t *testing.T) {
	for lifetime, want := range map[time.Duration][]string{
		-2 * time.Minute: {"federated token expired 2m0s ago and nothing renewed it", "subPath", "virtual nodes"},
		2 * time.Minute:  {"from its expiry: nothing renews it in time", "the token file ", "subPath"},
	} {
		r := newHintRig(t)
		token, err := r.cluster.Token(entratest.TokenRequest{Lifetime: lifetime})
		require.NoError(t, err)
		r.options.TokenFilePath = writeFile(t, token)
		r.refusals(700024)
		err = failure(t, &r.options, vault)
		require.Error(t, err)
		for _, want := range want {
			require.Contains(t, strings.ReplaceAll(ours(err), "2m1s", "2m0s"), want)
		}
	}
}

func TestBlockOfAnError(t *testing.T) {
	r := newHintRig(t)
	r.mount(t, func(q *entratest.TokenRequest) { q.Namespace = "staging" })
	c := r.credential(t)
	_, err := c.GetToken(t.Context(), scope(vault))
	require.Regexp(t, `^credential: no token
  asked for:    scope "[^"]+", client ID "[^"]+", tenant "[^"]+"
  Entra said:   HTTP 401 Unauthorized, .*invalid_client: AADSTS700213: .*
  in short:     no federated credential of the issuer has the token's subject
  presented:    issuer "[^"]+", subject "system:serviceaccount:staging:orders", audience "[^"]+", expiry .*
  likely cause: no federated credential of client ID .*
  fix:          register .*
  IDs:          correlation ID [-0-9a-f]+, trace ID [-0-9a-f]+, time \S+$`, fmt.Sprintf("%+v", err))
	for _, verb := range []string{"%v", "%s"} {
		require.Equal(t, err.Error(), fmt.Sprintf(verb, err))
	}
	require.Equal(t, fmt.Sprintf("%q", err.Error()), fmt.Sprintf("%q", err))

	_, again := c.GetToken(t.Context(), scope(vault))
	require.Regexp(t, `\n  state: +the refusal below \(failure 1, backing off: next attempt at .*\)\n  Entra said: `, fmt.Sprintf("%+v", again))

	_, other := c.GetToken(t.Context(), scope())
	require.Regexp(t, "^credential: no token\n  asked for: .*\n  error: +at least one scope is required$", fmt.Sprintf("%+v", other))
}

func TestErrorIsOneLineInLogs(t *testing.T) {
	r := newHintRig(t)
	r.refusals(700016)
	err := failure(t, &r.options, vault)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Error("failed", "error", err)
	require.NotContains(t, log.String(), `\n`)
	require.Contains(t, log.String(), "likely cause: ")
}
