// Package version names the module for telemetry and tracing.
package version

const (
	// Module is the module's path.
	Module = "github.com/entrafed/entrafed"

	// Version is the module's.
	Version = "v0.1.0"
)
