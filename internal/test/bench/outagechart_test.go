package bench

import (
	"context"
	"fmt"
	"image/color"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/entrafed/entrafed/exchange/entratest"
)

const (
	// outageFrom is before any jittered refresh, so that nobody gets a new token before the outage.
	outageFrom = 40 * time.Minute
	outageTo   = 140 * time.Minute
	refreshIn  = 60 * time.Minute
	lifetime   = 120 * time.Minute
	watched    = 160 * time.Minute
)

// waiting is one call during the outage.
type waiting struct {
	at, waited time.Duration
	failed     bool
}

// watchOutage lets three SDK clients request a token every 30 s, as their pipelines do once a token
// is due for refresh.
func watchOutage(t *testing.T, c candidate) (calls []waiting, requests int) {
	synctest.Test(t, func(t *testing.T) {
		entra := &entratest.Server{Lifetime: lifetime, RefreshIn: refreshIn}
		cred := queued(c, c.open(t, at(t, entra)))
		get(t, cred, vault)
		start := time.Now()
		time.AfterFunc(outageFrom, func() {
			entra.SetReply(new(entratest.Unavailable(0)))
		})
		time.AfterFunc(outageTo, func() { entra.SetReply(nil) })
		var mu sync.Mutex
		var clients sync.WaitGroup
		for range 3 {
			clients.Go(func() {
				// One second off the full minute, to avoid a race with the ends of the outage.
				for next := time.Second; next < watched; next += 30 * time.Second {
					time.Sleep(time.Until(start.Add(next)))
					w := waiting{at: time.Since(start)}
					var err error
					w.waited, err = timed(context.Background(), cred, vault)
					w.failed = err != nil
					mu.Lock()
					calls = append(calls, w)
					mu.Unlock()
				}
			})
		}
		clients.Wait()
		requests = tokenRequests(entra)
		time.Sleep(time.Minute) // a bubble must outlast the exchanges in it
	})
	return calls, requests
}

// outageChart draws how long callers wait during an outage, in virtual time.
func outageChart(t *testing.T) *plot.Plot {
	p := newPlot("Three clients, one call each per 30 s, through an outage", "minutes since the token was issued (virtual time)", "wait of one call (s)")
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, watched.Minutes(), -0.6, 40
	p.X.Tick.Marker = every(20, watched.Minutes())
	p.Y.Tick.Marker = every(5, 30)

	down, err := plotter.NewPolygon(plotter.XYs{
		{X: outageFrom.Minutes(), Y: p.Y.Min}, {X: outageTo.Minutes(), Y: p.Y.Min}, {X: outageTo.Minutes(), Y: p.Y.Max}, {X: outageFrom.Minutes(), Y: p.Y.Max},
	})
	require.NoError(t, err)
	down.Color, down.LineStyle.Width = color.Gray{Y: 0xf0}, 0
	p.Add(down)
	note(t, p, outageFrom, 37.5, "endpoint answers 503")
	for _, event := range []struct {
		at   time.Duration
		text string
	}{{refreshIn, "refresh due"}, {lifetime, "token expires"}} {
		line, err := plotter.NewLine(plotter.XYs{{X: event.at.Minutes(), Y: p.Y.Min}, {X: event.at.Minutes(), Y: 35.5}})
		require.NoError(t, err)
		line.Color, line.Dashes = gray, []vg.Length{vg.Points(4), vg.Points(3)}
		p.Add(line)
		note(t, p, event.at, 34, event.text)
	}

	for _, c := range []candidate{azid, ours} {
		calls, requests := watchOutage(t, c)
		var served, failed plotter.XYs
		seen := map[waiting]bool{} // one mark for clients with the same result
		for _, w := range calls {
			if seen[w] {
				continue
			}
			seen[w] = true
			point := plotter.XY{X: w.at.Minutes(), Y: w.waited.Seconds()}
			if w.failed {
				failed = append(failed, point)
			} else {
				served = append(served, point)
			}
		}
		marks(t, p, served, c, draw.CircleGlyph{}, c.name+": token")
		marks(t, p, failed, c, draw.CrossGlyph{}, c.name+": error")
		require.NotEmpty(t, failed, "the outage must outlast %s's token, or the two cannot be compared", c.name)
		t.Logf("%s: %d calls, %d requests", c.name, len(calls), requests)
	}
	return p
}

func marks(t *testing.T, p *plot.Plot, points plotter.XYs, c candidate, shape draw.GlyphDrawer, title string) {
	scatter, err := plotter.NewScatter(points)
	require.NoError(t, err)
	scatter.Color, scatter.Shape, scatter.Radius = colors[c.name], shape, vg.Points(1.6)
	if c.name == azid.name || shape == (draw.CrossGlyph{}) {
		scatter.Radius = vg.Points(2.6) // keeps azidentity's dots visible behind ours
	}
	p.Add(scatter)
	p.Legend.Add(title, scatter)
}

func note(t *testing.T, p *plot.Plot, at time.Duration, y float64, text string) {
	label(t, p, at.Minutes(), y, text)
}

func label(t *testing.T, p *plot.Plot, x, y float64, text string) {
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: x, Y: y}}, Labels: []string{text}})
	require.NoError(t, err)
	labels.Offset.X = vg.Points(4)
	labels.TextStyle[0].Font.Size, labels.TextStyle[0].Color = 11, color.Gray{Y: 0x44}
	p.Add(labels)
}

func every(step, last float64) (ticks plot.ConstantTicks) {
	for v := 0.0; v <= last; v += step {
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprint(v)})
	}
	return ticks
}
