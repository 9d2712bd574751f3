package tokenfile

import (
	"errors"
	"fmt"
)

var (
	// ErrMalformed is the error, wrapped by [Parse] and [Source.Assertion], for content that is not
	// a JSON Web Token, including an empty file.
	ErrMalformed = errors.New("not a JSON Web Token")

	// ErrExpired is the error, wrapped by [Source.Assertion], for a token that expired more than 5
	// minutes ago.
	ErrExpired = errors.New("the token has expired")
)

// errClaim marks an [ErrMalformed] for a JWT in which only a claim has the wrong type. It has no
// text.
var errClaim = errors.New("")

// malformed returns an [ErrMalformed] with a reason. The reason must be a fixed text. Errors of
// encoding/json and encoding/base64 quote their input.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
