package credential_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
	"github.com/entrafed/entrafed/internal/broken"
)

// newPod returns a pod that is set up right, and that a test may break.
func newPod(t *testing.T) *broken.Pod {
	t.Helper()
	pod, err := broken.NewPod(t.TempDir())
	require.NoError(t, err)
	return pod
}

// signIn returns what a program in the pod sees: the error of New, or of GetToken.
func signIn(t *testing.T, pod *broken.Pod) error {
	t.Helper()
	setEnvironment(t, pod)
	c, err := credential.New(&pod.Options)
	if err == nil {
		_, err = c.GetToken(t.Context(), scope(pod.Scope))
	}
	return err
}

func credentialOf(t *testing.T, pod *broken.Pod) *credential.Credential {
	t.Helper()
	setEnvironment(t, pod)
	c, err := credential.New(&pod.Options)
	require.NoError(t, err)
	return c
}

// setEnvironment makes the process's environment the pod's.
func setEnvironment(t *testing.T, pod *broken.Pod) {
	t.Helper()
	for _, name := range broken.EnvNames() {
		t.Setenv(name, pod.Env[name])
	}
}

// codeOf returns the AADSTS code of a refusal; 0 for what is none, or has none.
func codeOf(err error) int {
	refusal, ok := errors.AsType[*exchange.Error](err)
	if !ok || len(refusal.EntraCodes) == 0 {
		return 0
	}
	return refusal.EntraCodes[0]
}

// ours returns the part of an error that Entra ID did not write.
func ours(err error) string {
	before, after, _ := strings.Cut(err.Error(), "; likely cause: ")
	if after == "" {
		return before
	}
	return after
}
