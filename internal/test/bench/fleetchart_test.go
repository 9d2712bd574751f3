package bench

import (
	"encoding/csv"
	"flag"
	"fmt"
	"image/color"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

var fleetCSV = flag.String("fleet", "../../../docs/fleet.csv", "requests per minute, as internal/test/fleet writes them")

// fleetMinute is one minute of a fleet's day.
type fleetMinute struct{ granted, all int }

// fromZero is a logarithmic scale that begins at zero, so that a minute without requests is visible
// as one. It is close to linear below 10.
type fromZero struct{}

func (fromZero) Normalize(_, largest, x float64) float64 {
	return math.Log1p(x/10) / math.Log1p(largest/10)
}

// fleetChart draws the requests per minute of the simulated fleet. The y-axis is logarithmic,
// because an outage has thirty times the requests of any other time.
func fleetChart(t *testing.T) *plot.Plot {
	minutes := readFleet(t)
	p := newPlot("Token requests per minute of 10,000 pods", "hours since the rollout (virtual time)", "requests per minute (log, from 0)")
	p.Y.Scale = fromZero{}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, float64(len(minutes))/60, 0, 2e5
	p.X.Tick.Marker = every(2, p.X.Max)
	p.Y.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: 10, Label: "10"}, {Value: 100, Label: "100"}, {Value: 1e3, Label: "1,000"}, {Value: 1e4, Label: "10,000"}, {Value: 1e5, Label: "100,000"}}

	var served, all plotter.XYs
	var outage *plotter.Polygon
	start := -1
	for i, m := range minutes {
		x := (float64(i) + 0.5) / 60
		served = append(served, plotter.XY{X: x, Y: float64(m.granted)})
		all = append(all, plotter.XY{X: x, Y: float64(m.all)})
		switch away := m.all > 0 && m.granted == 0; {
		case away && start < 0:
			start = i
		case !away && start >= 0:
			outage, start = shade(t, p, start, i), -1
		}
	}
	series(t, p, all, colors[azid.name], "all requests, those in an outage too")
	series(t, p, served, colors[ours.name], "served")
	require.NotNil(t, outage, "the fleet's day has outages")
	p.Legend.Add("endpoint away", outage)
	return p
}

// shade marks an outage between two minutes.
func shade(t *testing.T, p *plot.Plot, from, to int) *plotter.Polygon {
	x0, x1 := float64(from)/60, float64(to)/60
	outage, err := plotter.NewPolygon(plotter.XYs{{X: x0, Y: p.Y.Min}, {X: x1, Y: p.Y.Min}, {X: x1, Y: 5e4}, {X: x0, Y: 5e4}})
	require.NoError(t, err)
	outage.Color, outage.LineStyle.Width = color.Gray{Y: 0xe8}, 0
	p.Add(outage)
	label(t, p, (x0+x1)/2-0.9, 6e4, fmt.Sprintf("%d min", to-from))
	return outage
}

func series(t *testing.T, p *plot.Plot, points plotter.XYs, c color.Color, title string) {
	line, err := plotter.NewLine(points)
	require.NoError(t, err)
	line.Color, line.Width = c, vg.Points(1)
	p.Add(line)
	p.Legend.Add(title, line)
}

// readFleet reads the output of internal/test/fleet.
func readFleet(t *testing.T) (minutes []fleetMinute) {
	f, err := os.Open(*fleetCSV)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		var m fleetMinute
		for i, field := range row[1:4] { // granted, throttled, refused
			n, err := strconv.Atoi(field)
			require.NoError(t, err)
			m.all += n
			if i == 0 {
				m.granted = n
			}
		}
		minutes = append(minutes, m)
	}
	return minutes
}
