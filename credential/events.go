package credential

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// ExchangeEvent describes one finished exchange, for metrics. It holds no secret. It may be kept:
// events share no memory.
type ExchangeEvent struct {
	TenantID  string // in lower case
	ClientID  string
	Subject   string // in a [Pool]
	Agent     string // client ID of the agent identity that signs in; see [Credential.Agent]
	FMIPath   string // client ID of the agent identity that the blueprint's token is for
	User      bool   // for a user: on behalf of one, or an agent's user account
	Grant     string // OAuth's grant_type
	Scopes    []string
	EnableCAE bool

	Challenge bool // the exchange answered a claims challenge
	// Background is set if nobody waited when the exchange started, though somebody may by now: it
	// was an early refresh, or a prefetch.
	Background    bool
	CorrelationID string // sent as client-request-id, which Entra ID's logs contain

	Start    time.Time
	Duration time.Duration // from reading the federated token to the last reply, pauses included
	// Attempts counts token requests, excluding azcore's HTTP retries. It is zero if no federated
	// token was available.
	Attempts int

	ExpiresOn time.Time // of the new access token; zero after a failure
	// Err is nil after a success. Otherwise [errors.As] finds an [*exchange.Error] in it if Entra
	// ID refused. It is what the [*Error] of GetToken wraps.
	Err error
}

// events reports exchanges to the logger and the hook.
type events struct {
	logger     *slog.Logger
	onExchange func(ExchangeEvent)
}

func newEvents(logger *slog.Logger, onExchange func(ExchangeEvent)) events {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if onExchange == nil {
		onExchange = func(ExchangeEvent) {}
	}
	return events{logger, onExchange}
}

// record collects one exchange's event.
type record struct {
	events
	event ExchangeEvent // as it began
	sent  atomic.Int32  // token requests
}

func (r *record) attempts() int { return int(r.sent.Load()) }

// soFar returns the event as of now, with err as its outcome.
func (r *record) soFar(err error) ExchangeEvent {
	event := r.event
	event.Duration, event.Attempts, event.Err = time.Since(event.Start), r.attempts(), err
	return event
}

// finished reports an exchange that succeeded or failed for good.
func (r *record) finished(ctx context.Context, expiresOn time.Time, err error) {
	event := r.soFar(err)
	event.ExpiresOn = expiresOn
	level, message := slog.LevelInfo, "exchange"
	switch {
	case event.Err == nil:
	case requested(event.Err) > 0:
		level, message = slog.LevelWarn, "throttled"
	case event.Background:
		level, message = slog.LevelWarn, "background exchange failed"
	default:
		level, message = slog.LevelError, "exchange failed"
	}
	go r.log(ctx, level, message, event, slog.Duration("duration", event.Duration), slog.Int("attempts", event.Attempts))
	event.Scopes = slices.Clone(event.Scopes) // the logger reads them at the same time
	r.onExchange(event)
}

// retrying reports a refusal that another attempt follows.
func (r *record) retrying(ctx context.Context, refusal error, pause time.Duration) {
	event := r.soFar(refusal)
	go r.log(ctx, slog.LevelInfo, "retrying a refusal that may clear up", event, slog.Duration("pause", pause), slog.Int("attempts", event.Attempts))
}

// log writes one record. It needs its own goroutine, because a handler may block or panic.
func (e events) log(ctx context.Context, level slog.Level, message string, event ExchangeEvent, more ...slog.Attr) {
	attrs := append([]slog.Attr{
		slog.String("tenant", event.TenantID),
		slog.String("client_id", event.ClientID),
		slog.Any("scopes", event.Scopes),
		slog.String("correlation_id", event.CorrelationID),
	}, more...)
	for _, of := range []struct{ name, value string }{{"agent", event.Agent}, {"fmi_path", event.FMIPath}} {
		if of.value != "" {
			attrs = append(attrs, slog.String(of.name, of.value))
		}
	}
	if event.User {
		attrs = append(attrs, slog.String("grant", event.Grant))
	}
	if pause := pauseAsked(event.Err); pause > 0 {
		attrs = append(attrs, slog.Duration("retry_after", pause))
	}
	if event.Err != nil {
		attrs = append(attrs, slog.String("error", event.Err.Error()))
	} else {
		attrs = append(attrs, slog.Time("expires_on", event.ExpiresOn))
	}
	defer func() { _ = recover() }()
	e.logger.LogAttrs(ctx, level, "entrafed: "+message, attrs...)
}
