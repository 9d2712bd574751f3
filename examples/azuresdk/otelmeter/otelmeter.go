// Package otelmeter counts and times entrafed's exchanges with OpenTelemetry, for
// credential.Options.OnExchange. Copy the file.
//
//	onExchange, err := otelmeter.New(otel.Meter("example.com/app"), nil)
//	if err != nil {
//		return err
//	}
//	cred, err := credential.New(&credential.Options{OnExchange: onExchange})
//
// # Instruments
//
//	entrafed.exchanges           counter, {exchange}    by entrafed.outcome, entrafed.tenant, error.type
//	entrafed.exchange.duration   histogram, s           by entrafed.outcome
//
// A cached token causes no exchange, so in a healthy program each key counts about one success an
// hour. Alert on every other outcome. If the exchange did not run in the background, a caller was
// waiting; see the logs and Status.
//
// # Cardinality
//
// Each combination of attributes is a series that costs memory and money, so all values except
// tenants come from fixed sets. Only Options.MaxTenants tenants get their own value, because
// requests choose the tenant if AdditionallyAllowedTenants is "*". There are no attributes for
// client IDs, of which a program has one, or for scopes and correlation IDs, which belong in logs.
//
// # Sources
//
// Units, names and error.type: https://opentelemetry.io/docs/specs/semconv/general/metrics/ and
// https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/. Error codes: RFC 6749
// section 5.2, and https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
package otelmeter

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/entrafed/entrafed/credential"
	"github.com/entrafed/entrafed/exchange"
)

// Values of entrafed.outcome.
const (
	Success   = "success"
	Refused   = "refused"   // Entra ID refused; error.type is the OAuth error
	Throttled = "throttled" // 429 or 503: too many requests, or Entra ID is overloaded
	Failed    = "failed"    // no usable reply, or no federated token
)

// other is the well-known error.type for errors without a name. It also stands for the tenants
// beyond MaxTenants.
const other = "_OTHER"

const defaultMaxTenants = 50

// Options configures [New]. Nil and the zero value suit a program whose tenants are known.
type Options struct {
	// MaxTenants bounds the values of entrafed.tenant. Tenants beyond the first MaxTenants are
	// counted as "_OTHER". Zero means 50.
	MaxTenants int
}

// New creates the instruments and returns a function for credential.Options.OnExchange. The
// function is safe for concurrent use, does not block and records no secret. The error is the
// meter's.
func New(meter metric.Meter, options *Options) (func(credential.ExchangeEvent), error) {
	r := &recorder{tenants: tenants{max: defaultMaxTenants}}
	if options != nil && options.MaxTenants > 0 {
		r.tenants.max = options.MaxTenants
	}
	var err1, err2 error
	r.exchanges, err1 = meter.Int64Counter("entrafed.exchanges",
		metric.WithUnit("{exchange}"),
		metric.WithDescription("Finished exchanges of a federated token for an access token."))
	r.duration, err2 = meter.Float64Histogram("entrafed.exchange.duration",
		metric.WithUnit("s"),
		metric.WithDescription("Time from reading the federated token to Entra ID's last reply, including pauses."),
		// From a nearby Entra ID to the 30 s limit of an exchange. Retries for propagation can take
		// longer.
		metric.WithExplicitBucketBoundaries(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return r.record, nil
}

type recorder struct {
	exchanges metric.Int64Counter
	duration  metric.Float64Histogram
	tenants   tenants
}

// record uses no caller's context, because an exchange belongs to no caller and so to no caller's
// span.
func (r *recorder) record(event credential.ExchangeEvent) {
	ctx := context.Background()
	outcome, errorType := classify(event.Err)
	attributes := []attribute.KeyValue{
		attribute.String("entrafed.outcome", outcome),
		attribute.String("entrafed.tenant", r.tenants.bounded(event.TenantID)),
	}
	if errorType != "" {
		attributes = append(attributes, attribute.String("error.type", errorType))
	}
	r.exchanges.Add(ctx, 1, metric.WithAttributes(attributes...))
	r.duration.Record(ctx, event.Duration.Seconds(), metric.WithAttributes(attribute.String("entrafed.outcome", outcome)))
}

// classify returns the outcome and, for a failure, the error.type.
func classify(err error) (outcome, errorType string) {
	if err == nil {
		return Success, ""
	}
	refusal, ok := errors.AsType[*exchange.Error](err)
	switch {
	case ok && (refusal.StatusCode == http.StatusTooManyRequests || refusal.StatusCode == http.StatusServiceUnavailable):
		return Throttled, known(refusal.Code)
	case errors.Is(err, context.DeadlineExceeded):
		return Failed, "timeout"
	case ok && refusal.Code != "" && refusal.StatusCode < http.StatusInternalServerError:
		return Refused, known(refusal.Code)
	case ok: // not a refusal, such as a proxy's page
		return Failed, known(refusal.Code)
	default:
		return Failed, other
	}
}

// codes are the OAuth errors that Entra ID's token endpoint is known to return. The list is closed
// because the value comes from outside.
var codes = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
	"invalid_resource", "interaction_required", "temporarily_unavailable", "server_error",
}

func known(code string) string {
	if slices.Contains(codes, code) {
		return code
	}
	return other
}

// tenants remembers the first tenants, up to max.
type tenants struct {
	max int

	mu   sync.Mutex
	seen map[string]bool
}

func (t *tenants) bounded(id string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen[id] {
		return id
	}
	if len(t.seen) >= t.max {
		return other
	}
	if t.seen == nil {
		t.seen = make(map[string]bool)
	}
	t.seen[id] = true
	return id
}
