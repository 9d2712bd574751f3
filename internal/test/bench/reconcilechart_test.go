package bench

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// reconcileChart draws the requests of a controller that creates a credential for each reconcile.
func reconcileChart(t *testing.T) *plot.Plot {
	working := controller{every: 10 * time.Minute, rounds: 36}
	broken := working
	broken.refuse = 700016
	count := func(k controller, c candidate) (requests []int) {
		synctest.Test(t, func(t *testing.T) { requests = k.run(t, c) })
		return requests
	}
	p := newPlot("HTTP requests of a controller that makes a credential per reconcile",
		"hours; 50 identities, one reconcile of each every 10 minutes (virtual time)", "requests so far")
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 6, 0, 6000
	p.X.Tick.Marker = every(1, 6)
	p.Y.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: 2000, Label: "2,000"}, {Value: 4000, Label: "4,000"}, {Value: 6000, Label: "6,000"}}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = faint, faint
	p.Add(grid)
	add := func(requests []int, c candidate, title string, dashes ...vg.Length) {
		points := make(plotter.XYs, len(requests))
		for i, n := range requests {
			points[i] = plotter.XY{X: working.every.Hours() * float64(i), Y: float64(n)}
		}
		points = append(points, plotter.XY{X: p.X.Max, Y: points[len(points)-1].Y})
		line, err := plotter.NewLine(points)
		require.NoError(t, err)
		line.StepStyle = plotter.PostStep
		line.Color, line.Width, line.Dashes = colors[c.name], vg.Points(2), dashes
		p.Add(line)
		p.Legend.Add(title, line)
	}
	theirs := count(working, azid)
	require.Equal(t, theirs, count(broken, azid), "one line stands for both")
	add(theirs, azid, titles[azid.name]+", accepted or refused")
	add(count(broken, ours), ours, "entrafed, all refused", vg.Points(5), vg.Points(3))
	add(count(working, ours), ours, "entrafed, all accepted")
	return p
}
