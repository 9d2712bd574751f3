package main

import (
	"context"
	"time"
)

const (
	// refreshIn is when Entra ID asks for a refresh. Usually that is after 12 of 24 hours, too long
	// for a demo.
	refreshIn = 2 * time.Second

	// slow is how long Entra ID takes for the refresh: long enough to see whether anyone waits.
	slow = 300 * time.Millisecond

	// pause separates two calls of a client that is not in a hurry.
	pause = 10 * time.Millisecond
)

// refresh uses the vault's token until it is replaced. No call triggers that explicitly: a GetToken
// past the refresh time returns the current token and starts the exchange for the next one in the
// background.
func (d *demo) refresh(ctx context.Context) error {
	d.Entra.SetDelay(slow)
	before := len(d.Entra.Requests())
	idle, err := d.use(ctx, func(string) bool { return len(d.Entra.Requests()) > before })
	if err != nil {
		return err
	}
	d.log.step(idle.took, "Later: the vault's token, always in use, is due for refresh (refresh_in %s).", refreshIn)
	busy, err := d.use(ctx, func(token string) bool { return token != d.token.Token })
	if err != nil {
		return err
	}
	d.log.step(busy.slowest, "GetToken while the refresh was under way: the old token, still valid, at once.")
	d.log.more("The slowest of %d calls; Entra ID took %s to answer, and nobody waited.", busy.calls, slow)
	d.log.step(busy.took, "The new token arrived in the background, and GetToken returns it from now on.")
	d.log.more("sha256 %s became %s", fingerprint(d.token.Token), fingerprint(busy.token))
	return nil
}

// usage records the fate of a token in use.
type usage struct {
	calls   int
	slowest time.Duration // of the calls that got the old token
	took    time.Duration
	token   string // the last one
}

// use calls GetToken at intervals until done accepts the returned token.
func (d *demo) use(ctx context.Context, done func(token string) bool) (usage, error) {
	var u usage
	start := time.Now()
	for {
		token, took, err := d.get(ctx, vault)
		u.took, u.token = time.Since(start), token.Token
		if err != nil || done(token.Token) {
			return u, err
		}
		u.calls++
		u.slowest = max(u.slowest, took)
		if err := sleep(ctx, pause); err != nil {
			return u, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
