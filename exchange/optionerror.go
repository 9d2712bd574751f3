package exchange

import (
	"strings"

	"github.com/entrafed/entrafed/internal/redact"
)

// OptionError tells which of the [ClientOptions] is wrong.
type OptionError struct {
	Option string // name of the field: "Authority", "Region" or "IdentityBinding"
	Err    error
}

// Error returns the option's name and what is wrong with it.
func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// OptionErrors are all that is wrong with [ClientOptions].
type OptionErrors []*OptionError

// add notes what is wrong with an option. A token that was given in the place of its value is not shown.
func (e *OptionErrors) add(option string, err error) {
	*e = append(*e, &OptionError{option, redact.New("").Error(err)})
}

// Error returns one line.
func (e OptionErrors) Error() string {
	texts := make([]string, len(e))
	for i, wrong := range e {
		texts[i] = wrong.Error()
	}
	return "exchange: " + strings.Join(texts, "; ")
}

// Unwrap returns each of them.
func (e OptionErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, wrong := range e {
		errs[i] = wrong
	}
	return errs
}
