package bench

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// hitCostChart draws the cost of a hit over the number of scopes held.
func hitCostChart(t *testing.T) *plot.Plot {
	p := newPlot("Cost of a cached GetToken", "scopes held (log)", "time per call (log)")
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 1, 10_000, 30, 2e8 // the legend is above the data
	p.X.Tick.Marker = plot.ConstantTicks{{Value: 1, Label: "1"}, {Value: 10, Label: "10"}, {Value: 100, Label: "100"}, {Value: 1000, Label: "1,000"}, {Value: 10_000, Label: "10,000"}}
	p.Y.Tick.Marker = plot.ConstantTicks{{Value: 100, Label: "100 ns"}, {Value: 1e3, Label: "1 µs"}, {Value: 1e4, Label: "10 µs"}, {Value: 1e5, Label: "100 µs"}, {Value: 1e6, Label: "1 ms"}}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = faint, faint
	p.Add(grid)

	shapes := map[string]draw.GlyphDrawer{azid.name: draw.CircleGlyph{}, ours.name: draw.BoxGlyph{}, awsCache.name: draw.TriangleGlyph{}, oauth2Cache.name: draw.RingGlyph{}}
	for _, c := range []candidate{azid, awsCache, oauth2Cache, ours} { // ours last, on top
		measured := measureHits(t, c)
		points := make(plotter.XYs, len(measured))
		for i, h := range measured {
			points[i] = plotter.XY{X: float64(h.held), Y: float64(h.cost)}
		}
		line, marks, err := plotter.NewLinePoints(points)
		require.NoError(t, err)
		line.Color, marks.Color = colors[c.name], colors[c.name]
		line.Width, marks.Radius, marks.Shape = vg.Points(2), vg.Points(4), shapes[c.name]
		p.Add(line, marks)
		last := measured[len(measured)-1]
		p.Legend.Add(fmt.Sprintf("%s: %s and %.0f allocations at 10,000", titles[c.name], short(last.cost), last.allocs), line, marks)
	}
	level, err := plotter.NewLine(plotter.XYs{{X: 1, Y: float64(clock)}, {X: 10_000, Y: float64(clock)}})
	require.NoError(t, err)
	level.Color, level.Dashes = gray, []vg.Length{vg.Points(4), vg.Points(3)}
	p.Add(level)
	p.Legend.Add("one reading of the clock: "+short(clock), level)
	return p
}
