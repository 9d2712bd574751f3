package trace

// The module's name and version in telemetry and traces.
const (
	Module  = "github.com/entrafed/entrafed"
	Version = "v0.1.0"
)
