package bench

import (
	"bytes"
	"flag"
	"image/color"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

var out = flag.String("out", "", "folder to write the charts to; none by default")

const (
	chartWidth  = 8.5 * vg.Inch
	chartHeight = 4.8 * vg.Inch
)

// colors are distinguishable with color blindness (Okabe and Ito).
var colors = map[string]color.Color{
	azid.name:        color.RGBA{R: 0xd5, G: 0x5e, A: 0xff},
	ours.name:        color.RGBA{G: 0x72, B: 0xb2, A: 0xff},
	awsCache.name:    color.RGBA{R: 0x8a, G: 0x6d, A: 0xff},
	oauth2Cache.name: color.RGBA{G: 0x9e, B: 0x73, A: 0xff},
}

var (
	gray  = color.Gray{Y: 0x77}
	faint = color.Gray{Y: 0xe4}
)

// titles are the candidates' names for readers.
var titles = map[string]string{
	azid.name: "azidentity v1.15.0", ours.name: "entrafed",
	awsCache.name: "aws.CredentialsCache, one per scope", oauth2Cache.name: "oauth2.ReuseTokenSource, one per scope",
}

// TestCharts draws the charts into the folder that -out names.
func TestCharts(t *testing.T) {
	if *out == "" {
		t.Skip("draws with -args -out FOLDER")
	}
	save(t, hitCostChart(t), "hit-cost.svg")
	save(t, outageChart(t), "outage.svg")
	save(t, fleetChart(t), "fleet.svg")
	save(t, reconcileChart(t), "reconcile.svg")
}

func init() { plot.DefaultFont.Variant, plotter.DefaultFont.Variant = "Sans", "Sans" }

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle.Font.Size, p.Title.Padding = 15, vg.Points(10)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font.Size, axis.Tick.Label.Font.Size = 12, 11
		axis.Label.Padding = vg.Points(4)
	}
	p.Legend.TextStyle.Font.Size = 11
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(10), vg.Points(-4)
	p.Legend.Padding = vg.Points(3)
	return p
}

func save(t *testing.T, p *plot.Plot, name string) {
	require.NoError(t, os.WriteFile(filepath.Join(*out, name), render(t, p), 0o644))
}

// render adds a margin, because text at the edge would be cut off.
func render(t *testing.T, p *plot.Plot) []byte {
	canvas := vgsvg.New(chartWidth, chartHeight)
	const margin = 10
	background := draw.New(canvas)
	background.SetColor(color.White)
	background.Fill(background.Rectangle.Path())
	p.Draw(draw.Crop(draw.New(canvas), margin, -2*margin, margin, -margin))
	var svg bytes.Buffer
	_, err := canvas.WriteTo(&svg)
	require.NoError(t, err)
	// The other fonts have the same metrics, for readers who lack the first.
	return bytes.ReplaceAll(svg.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif"))
}

const docs = "../../../docs"

// TestFleetChartShowsTheFleetsData fails if docs/fleet.svg is older than docs/fleet.csv.
func TestFleetChartShowsTheFleetsData(t *testing.T) {
	drawn, err := os.ReadFile(filepath.Join(docs, "fleet.svg"))
	require.NoError(t, err)
	require.Equal(t, string(drawn), string(render(t, fleetChart(t))), "draw it again: see README.md")
}

// TestRunIsOfTodaysPeers fails if the table or a chart was made with versions of the peers other
// than go.mod's.
func TestRunIsOfTodaysPeers(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	version := func(module string) string {
		found := regexp.MustCompile(`(?m)^\t` + regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(mod)
		require.NotNil(t, found, module)
		return string(found[1])
	}
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	text := strings.Join(strings.Fields(string(readme)), " ")
	azidentity := version("github.com/Azure/azure-sdk-for-go/sdk/azidentity")
	for _, peer := range []string{
		"azidentity) " + azidentity, "aws-sdk-go-v2 " + version("github.com/aws/aws-sdk-go-v2"), "x/oauth2 " + version("golang.org/x/oauth2"),
	} {
		require.Contains(t, text, peer)
	}
	require.Equal(t, "azidentity "+azidentity, titles[azid.name])
	for _, name := range []string{"hit-cost.svg", "reconcile.svg"} {
		chart, err := os.ReadFile(filepath.Join(docs, name))
		require.NoError(t, err)
		require.Contains(t, string(chart), titles[azid.name], "%s: draw it again: see README.md", name)
	}
}
