package credential

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/tokenfile"
)

// source is where federated tokens come from.
type source struct {
	name string // in messages
	file bool   // whether it is a file

	// assertion reads the identity's token on every call. Its errors name the source.
	assertion func(context.Context, Identity) (string, error)
}

// sourceError is what kept the federated token from being read.
type sourceError struct {
	source string
	err    error
}

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// FederatedToken names the source, for package diagnose.
func (e *sourceError) FederatedToken() string { return e.source }

func fileSource(file *tokenfile.Source) source {
	return source{
		name: "the token file " + file.String(), file: true,
		assertion: func(ctx context.Context, _ Identity) (string, error) { return file.Assertion(ctx) },
	}
}

func funcSource(assertion func(context.Context) (string, error)) source {
	const name = "Options.Assertion"
	return source{name: name, assertion: func(ctx context.Context, _ Identity) (string, error) {
		token, err := assertion(ctx)
		return assertionResult(name, token, err)
	}}
}

// assertionResult sanitizes the result of a user's function: it removes tokens and line ends from
// the error, and white space around the token.
func assertionResult(name, token string, err error) (string, error) {
	if err != nil {
		return "", redact.New(token).Error(fmt.Errorf("%s: %w", name, err))
	}
	if token = strings.TrimSpace(token); token == "" {
		return "", errors.New(name + " returned an empty token")
	}
	return token, nil
}
