package redact

import (
	"fmt"
	"runtime"
	"strings"
)

// Panic describes where the panic p, which the calling deferred function has recovered, happened,
// and what it was. It shows the value only if the runtime created it, because values of user code
// may quote a token.
func Panic(p any) string {
	what := fmt.Sprintf("a value of type %T, not shown because it could hold a secret", p)
	if r, ok := p.(runtime.Error); ok {
		what = r.Error()
	}
	pcs := make([]uintptr, 32)
	// Skip runtime.Callers, Panic and its caller.
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	frame, more := frames.Next()
	for more && strings.HasPrefix(frame.Function, "runtime.") {
		frame, more = frames.Next()
	}
	return fmt.Sprintf("at %s:%d: %s", frame.Function, frame.Line, what)
}
