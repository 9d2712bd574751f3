package credential

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/entrafed/entrafed/internal/redact"
	"github.com/entrafed/entrafed/tokenfile"
)

// source is where the federated token comes from.
type source struct {
	name      string                                // for messages
	file      bool                                  // it is one
	assertion func(context.Context) (string, error) // read anew at each call; its errors name the source
}

func fileSource(file *tokenfile.Source) source {
	return source{name: "the token file " + file.String(), file: true, assertion: file.Assertion}
}

func funcSource(assertion func(context.Context) (string, error)) source {
	const name = "Options.Assertion"
	return source{name: name, assertion: func(ctx context.Context) (string, error) {
		token, err := assertion(ctx)
		if err != nil {
			return "", redact.New(token).Error(fmt.Errorf("%s: %w", name, err)) // a token in it is not for logs, nor is a line end
		}
		if token = strings.TrimSpace(token); token == "" {
			return "", errors.New(name + " returned an empty token")
		}
		return token, nil
	}}
}
