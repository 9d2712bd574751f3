package problems_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/internal/problems"
)

func TestNothingWrongIsNoError(t *testing.T) {
	var l problems.List
	require.NoError(t, l.Err("credential"))
}

func TestEverythingIsOnOneLine(t *testing.T) {
	var l problems.List
	l.Addf("AZURE_TENANT_ID is not set")
	l.Addf("%s: %w", "CA file", fs.ErrNotExist)
	l.Add(errors.New("two\nlines"))
	err := l.Err("credential")
	require.EqualError(t, err, "credential: AZURE_TENANT_ID is not set; CA file: file does not exist; two lines")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestTokenGivenAsASettingIsNotShown(t *testing.T) {
	var l problems.List
	l.Addf("%q is not a tenant", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl")
	require.EqualError(t, l.Err("credential"), `credential: "[redacted]" is not a tenant`)
}

func TestConfigurationIsNotRetried(t *testing.T) {
	var l problems.List
	l.Addf("wrong")
	_, final := errors.AsType[interface {
		error
		NonRetriable()
	}](l.Err("exchange"))
	require.True(t, final)
}
