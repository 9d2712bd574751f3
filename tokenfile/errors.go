package tokenfile

import (
	"errors"
	"fmt"
)

var (
	// ErrMalformed is what errors.Is finds in the error of [Parse] and of
	// [Source.Assertion] for content that is not a JSON Web Token, an empty
	// file included.
	ErrMalformed = errors.New("not a JSON Web Token")

	// ErrExpired is what errors.Is finds in the error of [Source.Assertion]
	// for a token that expired more than 5 minutes ago.
	ErrExpired = errors.New("the token has expired")
)

// errClaim marks an [ErrMalformed] of a token that is a JWT but for the type of a claim. It has no text.
var errClaim = errors.New("")

// malformed returns an [ErrMalformed] with a reason. The reason is a fixed
// text, never that of encoding/json or encoding/base64: theirs quote the input.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
