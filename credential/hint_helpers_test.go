package credential_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/test/links"
	"github.com/entrafed/entrafed/internal/test/setups"
)

// newPod returns a pod that is set up correctly and that a test may break.
func newPod(t *testing.T) *setups.Pod {
	t.Helper()
	links.Need(t)
	pod, err := setups.NewPod(t.TempDir())
	require.NoError(t, err)
	return pod
}

// signIn returns the error that a program in the pod gets from New or GetToken.
func signIn(t *testing.T, pod *setups.Pod) error {
	t.Helper()
	setEnvironment(t, pod)
	c, err := credential.New(&pod.Options)
	if err == nil {
		_, err = c.GetToken(t.Context(), scope(pod.Scope))
	}
	return err
}

func credentialOf(t *testing.T, pod *setups.Pod) *credential.Credential {
	t.Helper()
	setEnvironment(t, pod)
	c, err := credential.New(&pod.Options)
	require.NoError(t, err)
	return c
}

// setEnvironment makes the process's environment the pod's.
func setEnvironment(t *testing.T, pod *setups.Pod) {
	t.Helper()
	for _, name := range setups.EnvNames() {
		t.Setenv(name, "") // restores the old value at the end
	}
	require.NoError(t, pod.Enter())
}

// codeOf returns the AADSTS code of a refusal; 0 if err is not a refusal or has no code.
func codeOf(err error) int {
	refusal, ok := errors.AsType[*exchange.Error](err)
	if !ok || len(refusal.EntraCodes) == 0 {
		return 0
	}
	return refusal.EntraCodes[0]
}

// ours returns the part of an error that Entra ID did not write.
func ours(err error) string {
	if e, ok := errors.AsType[*credential.Error](err); ok && e.Cause() != "" {
		return e.Cause() + "; fix: " + e.Fix()
	}
	return err.Error()
}
