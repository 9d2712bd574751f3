package main

import (
	"context"
	"time"
)

const (
	// refreshIn is when Entra ID wants a token to be refreshed. It says 12 hours of 24 as a rule; nobody waits for that here.
	refreshIn = 2 * time.Second

	// slow is how long Entra ID takes over the refresh, so that there is time to see who waits for it.
	slow = 300 * time.Millisecond

	// pause lies between two calls of a client that is not in a hurry.
	pause = 10 * time.Millisecond
)

// refresh goes on using the vault's token until it is replaced. Nobody calls anything for that: a GetToken past the refresh
// time returns the token that it has, and has the next one fetched in the background.
func (d *demo) refresh(ctx context.Context) error {
	d.entra.SetDelay(slow)
	before := len(d.entra.Requests())
	idle, err := d.use(ctx, func(string) bool { return len(d.entra.Requests()) > before })
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

// usage is what became of a token in use.
type usage struct {
	calls   int
	slowest time.Duration // of the calls that got the token from before
	took    time.Duration
	token   string // the last one
}

// use calls GetToken now and then until done says so of the token that it got.
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
