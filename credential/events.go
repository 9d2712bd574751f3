package credential

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// ExchangeEvent tells of one finished exchange, for metrics. It holds no secret, and may be kept: no two share anything.
type ExchangeEvent struct {
	TenantID  string // in lower case
	ClientID  string
	Scopes    []string
	EnableCAE bool

	Challenge     bool   // it answered a claims challenge
	Background    bool   // nobody waited for it when it started, though somebody may since: a refresh ahead of time, or a prefetch
	CorrelationID string // sent as client-request-id, by which Entra ID's logs find the exchange

	Start    time.Time
	Duration time.Duration // from reading the federated token to the last reply, pauses included
	Attempts int           // token requests, azcore's HTTP retries not counted; zero if no federated token could be had

	ExpiresOn time.Time // of the new access token; zero after a failure
	Err       error     // nil after a success, else as GetToken's: [errors.As] finds an [*exchange.Error] if Entra ID refused
}

// events is where exchanges are told of.
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

// story is what is told of one exchange. It ends once: when the exchange returns or is abandoned.
type story struct {
	events
	event    ExchangeEvent // as it began
	attempts atomic.Int32
	ended    atomic.Bool // no lock: a hook may hang
}

// soFar is the event of an exchange that has come to err.
func (s *story) soFar(err error) ExchangeEvent {
	event := s.event
	event.Duration, event.Attempts, event.Err = time.Since(event.Start), int(s.attempts.Load()), err
	return event
}

// finished tells of an exchange that succeeded or failed for good.
func (s *story) finished(ctx context.Context, expiresOn time.Time, err error) {
	if s.ended.Swap(true) {
		return
	}
	event := s.soFar(err)
	event.ExpiresOn = expiresOn
	level, message := slog.LevelInfo, "exchange"
	switch {
	case event.Err == nil:
	case pauseAsked(event.Err) > 0:
		level, message = slog.LevelWarn, "throttled"
	case event.Background:
		level, message = slog.LevelWarn, "background exchange failed"
	default:
		level, message = slog.LevelError, "exchange failed"
	}
	s.log(ctx, level, message, event, slog.Duration("duration", event.Duration), slog.Int("attempts", event.Attempts))
	s.onExchange(event)
}

// retrying tells of a refusal that may pass by itself.
func (s *story) retrying(ctx context.Context, refusal error, pause time.Duration) {
	event := s.soFar(refusal)
	s.log(ctx, slog.LevelInfo, "retrying a refusal that may pass", event, slog.Duration("pause", pause), slog.Int("attempts", event.Attempts))
}

func (e events) log(ctx context.Context, level slog.Level, message string, event ExchangeEvent, more ...slog.Attr) {
	attrs := append([]slog.Attr{
		slog.String("tenant", event.TenantID),
		slog.String("client_id", event.ClientID),
		slog.Any("scopes", event.Scopes),
		slog.String("correlation_id", event.CorrelationID),
	}, more...)
	if pause := pauseAsked(event.Err); pause > 0 {
		attrs = append(attrs, slog.Duration("retry_after", pause))
	}
	if event.Err != nil {
		attrs = append(attrs, slog.String("error", event.Err.Error()))
	} else {
		attrs = append(attrs, slog.Time("expires_on", event.ExpiresOn))
	}
	e.logger.LogAttrs(ctx, level, "entrafed: "+message, attrs...)
}
