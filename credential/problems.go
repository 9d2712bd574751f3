package credential

import (
	"errors"
	"fmt"
	"strings"

	"github.com/entrafed/entrafed/internal/redact"
)

// errNotInjected says what it means that the environment has nothing of a workload identity.
var errNotInjected = fmt.Errorf(`%w: neither %s nor %s nor %s is set; in a pod, that means the workload identity webhook did not change it: `+
	`the label azure.workload.identity/use: "true" belongs on the pod template, the annotation azure.workload.identity/client-id on its service account, `+
	`and the pod must have been created after both; it changes no pod in kube-system`, ErrNotConfigured, envClientID, envTenantID, envTokenFile)

// problems collects what is wrong with a configuration. A token that was given in the place of a setting is not shown.
type problems []error

func (p *problems) add(err error)                { *p = append(*p, redact.New("").Error(err)) }
func (p *problems) addf(format string, a ...any) { p.add(fmt.Errorf(format, a...)) }

// require returns the option, or the environment's value where it is empty, or notes that both are.
func (p *problems) require(option, variable, name string) string {
	for _, value := range []string{strings.TrimSpace(option), env(variable)} {
		if value != "" {
			return value
		}
	}
	p.addf("%s is not set: set it, or %s%s", variable, name, injectedInPart(variable))
	return ""
}

// injectedInPart says what it may mean that the variable is missing where others of the webhook's are set.
func injectedInPart(variable string) string {
	injected := env(envTokenFile) != ""
	switch {
	case variable == envClientID && injected:
		return "; in a pod, its service account lacks the annotation azure.workload.identity/client-id, or got it after the pod was created"
	case variable == envTenantID && injected:
		return "; in a pod, the workload identity webhook was installed without azureTenantID: set that, or the annotation azure.workload.identity/tenant-id on the service account"
	case variable == envTokenFile && (env(envClientID) != "" || env(envTenantID) != ""):
		return `; in a pod, the label azure.workload.identity/use: "true" is missing on the pod template, or came after the pod was created`
	}
	return ""
}

// err returns the one error that reports them all, on one line, or nil.
func (p *problems) err() error {
	if len(*p) == 0 {
		return nil
	}
	return &configError{*p}
}

type configError struct{ problems }

func (e *configError) Error() string {
	lines := strings.Split(errors.Join(e.problems...).Error(), "\n")
	return "credential: " + strings.Join(lines, "; ")
}

func (e *configError) Unwrap() []error { return e.problems }

// NonRetriable keeps azcore from retrying: the configuration stays as it is.
func (e *configError) NonRetriable() {}
