package credential

import (
	"fmt"
	"os"
	"strings"

	"github.com/entrafed/entrafed/internal/problems"
	"github.com/entrafed/entrafed/internal/webhook"
)

// whyNotInjected lists why the webhook may have left a pod or a container unchanged.
const whyNotInjected = "the workload identity webhook did not change the pod, or not this container: " +
	"the pod template needs the label " + webhook.LabelUse + `: "true" before the pod is created; ` +
	"the webhook skips containers named in the annotation " + webhook.AnnotationSkipContainers +
	" and those added later (ephemeral, or by another webhook); AKS keeps it out of kube-system"

// errNotInjected is the first problem if the environment holds nothing of a workload identity, so
// that somebody who reads only the first problem checks the webhook instead of setting variables.
var errNotInjected = fmt.Errorf("%w: in a pod, %s; its service account needs the annotation %s", ErrNotConfigured, whyNotInjected, webhook.AnnotationClientID)

// causeFirst puts the cause before errs if nothing of a workload identity is set and errs report
// missing settings.
func causeFirst(errs problems.List) problems.List {
	cause := errNotInjected
	for _, name := range []string{envClientID, envTenantID, envTokenFile} {
		if env(name) != "" {
			return errs
		}
		if _, ok := os.LookupEnv(name); ok { // errs explain that
			cause = ErrNotConfigured
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return append(problems.List{cause}, errs...)
}

// require returns the option, or the environment's value if the option is empty. If both are empty,
// it adds a problem to errs.
func require(errs *problems.List, option, variable, name string) string {
	for _, value := range []string{strings.TrimSpace(option), env(variable)} {
		if value != "" {
			return value
		}
	}
	if _, ok := os.LookupEnv(variable); ok {
		errs.Addf("%s is set but empty: remove it, set it, or set %s; in a pod, the empty value comes from the container's env, "+
			"which the webhook does not overwrite", variable, name)
	} else {
		errs.Addf("%s is not set: set it, or %s%s", variable, name, whyMissing(variable))
	}
	return ""
}

// whyMissing explains why the variable may be missing although the webhook injected others.
func whyMissing(variable string) string {
	injected := env(envTokenFile) != ""
	switch {
	case variable == envClientID && injected:
		return "; in a pod, its service account lacks the annotation " + webhook.AnnotationClientID + ", or got it after the pod was created"
	case variable == envTenantID && injected:
		return "; in a pod, the annotation " + webhook.AnnotationTenantID + " on its service account is empty: remove it and recreate the pod"
	case variable == envTokenFile && (env(envClientID) != "" || env(envTenantID) != ""):
		return "; in a pod, " + whyNotInjected
	}
	return ""
}

// meant returns the value. If nobody can have meant it, such as an unfilled placeholder, it adds a
// problem to errs and returns "". name is the user's name for the setting, want what to set
// instead.
func meant(errs *problems.List, name, value, want string) string {
	if why := problems.Odd(value); why != "" {
		errs.Addf("%s %s: set %s", name, why, want)
		return ""
	}
	return value
}
