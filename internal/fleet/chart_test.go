package fleet

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// The chart's frame, in pixels; the plot lies within the margins.
const (
	width, height      = 900, 380
	left, right        = 70, 880
	top, bottom        = 60, 330
	fewest, most       = 1.0, 5.0 // powers of ten on the ordinate
	served, others     = "#1f6feb", "#d1242f"
	shade, grid, label = "#f1e3c6", "#dddddd", "#444444"
)

// draw returns the chart of requests per minute, as SVG. The ordinate is logarithmic: an outage has a hundred times the
// requests of any other time.
func (c *census) draw() string {
	hours := c.plan.duration.Hours()
	x := func(at time.Duration) float64 { return left + (right-left)*at.Hours()/hours }
	y := func(n int) float64 {
		power := min(max(math.Log10(float64(max(n, 1))), fewest), most)
		return bottom - (bottom-top)*(power-fewest)/(most-fewest)
	}
	var b strings.Builder
	add := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	text := func(x, y float64, anchor, s string) {
		add(`<text x="%.0f" y="%.0f" text-anchor="%s" fill="%s">%s</text>`, x, y, anchor, label, s)
	}
	add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`, width, height)
	add(`<rect width="%d" height="%d" fill="white"/>`, width, height)
	for _, o := range c.plan.outages {
		add(`<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`, x(o.start), top, x(o.end)-x(o.start), bottom-top, shade)
		text(x((o.start+o.end)/2), top-6, "middle", fmt.Sprintf("outage, %d min", (o.end-o.start)/time.Minute))
	}
	for power := fewest; power <= most; power++ {
		n := int(math.Pow(10, power))
		add(`<line x1="%d" y1="%.1f" x2="%d" y2="%.1[2]f" stroke="%[4]s"/>`, left, y(n), right, grid)
		text(left-8, y(n)+4, "end", thousands(n))
	}
	for h := 0; h <= int(hours); h += 2 {
		at := x(time.Duration(h) * time.Hour)
		add(`<line x1="%.1f" y1="%d" x2="%.1[1]f" y2="%[3]d" stroke="%[4]s"/>`, at, bottom, bottom+5, label)
		text(at, bottom+19, "middle", fmt.Sprint(h))
	}
	line := func(color string, value func(minute) int) {
		var points []string
		for i, m := range c.minutes[:c.plan.duration/time.Minute] {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(time.Duration(i)*time.Minute+30*time.Second), y(value(m))))
		}
		add(`<polyline fill="none" stroke="%s" points="%s"/>`, color, strings.Join(points, " "))
	}
	line(others, minute.total)
	line(served, func(m minute) int { return m.requests[granted] })
	add(`<path d="M%d %dV%dH%d" fill="none" stroke="%s"/>`, left, top, bottom, right, label)
	text((left+right)/2, height-12, "middle", "hours since the rollout")
	text(left, 20, "start", fmt.Sprintf("Token requests per minute, %s pods, %s keys", thousands(c.plan.pods), thousands(c.plan.keys())))
	add(`<rect x="640" y="11" width="14" height="3" fill="%s"/><rect x="740" y="11" width="14" height="3" fill="%s"/>`, served, others)
	text(660, 16, "start", "served")
	text(760, 16, "start", "all requests")
	add("</svg>")
	return b.String()
}

// thousands writes n with its thousands apart.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
