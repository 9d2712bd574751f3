package main

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// faultNames are the flags, and the fields of the control endpoint, that change Entra ID's replies.
var faultNames = map[string]string{
	"outage":   "reply to token requests with 503",
	"throttle": "reply to token requests with 429 and this `Retry-After`",
	"refuse":   "refuse token requests with this AADSTS `code`",
	"delay":    "wait for this `duration` before each reply to a token request",
	"times":    "apply the outage, throttle or refusal to this `number` of token requests (default: all)",
}

// faults holds the settings by name, as given. Empty means an Entra ID that works.
type faults url.Values

// set validates and adds one setting.
func (f faults) set(name, value string) (err error) {
	switch name {
	case "outage":
		var on bool
		if on, err = strconv.ParseBool(value); !on {
			return err
		}
	case "throttle", "delay":
		var d time.Duration
		if d, err = time.ParseDuration(value); d < 0 {
			err = errors.New("must not be negative")
		}
	case "refuse", "times":
		var n int
		if n, err = strconv.Atoi(value); n <= 0 {
			err = errors.New("not a positive number")
		}
	default:
		return fmt.Errorf("unknown setting %q", name)
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", name, value, err)
	}
	url.Values(f).Set(name, value)
	return nil
}

// check validates the combination of settings.
func (f faults) check() error {
	replies := 0
	for _, name := range []string{"outage", "throttle", "refuse"} {
		if url.Values(f).Has(name) {
			replies++
		}
	}
	switch {
	case replies > 1:
		return errors.New("set only one of outage, throttle and refuse")
	case replies == 0 && url.Values(f).Has("times"):
		return errors.New("times needs outage, throttle or refuse")
	}
	return nil
}

// apply replaces the server's replies with those of the settings.
func (f faults) apply(entra *entratest.Server) {
	duration := func(name string) time.Duration { d, _ := time.ParseDuration(url.Values(f).Get(name)); return d }
	number := func(name string) int { n, _ := strconv.Atoi(url.Values(f).Get(name)); return n }
	var reply *entratest.Reply
	switch has := url.Values(f).Has; {
	case has("outage"):
		reply = new(entratest.Unavailable(0))
	case has("throttle"):
		reply = new(entratest.Throttle(duration("throttle")))
	case has("refuse"):
		reply = new(entratest.Refuse(number("refuse")))
	}
	entra.ResetReplies()
	entra.SetDelay(duration("delay"))
	times := number("times")
	if times == 0 {
		entra.SetReply(reply)
	}
	for range times {
		entra.Enqueue(*reply)
	}
}

// String returns the settings as a form for the control endpoint.
func (f faults) String() string { return url.Values(f).Encode() }
