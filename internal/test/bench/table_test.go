package bench

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// outcome is a candidate's result in a situation.
type outcome struct {
	text string
	cost float64 // basis of the ratio, lower is better; zero for no ratio
}

// situation is one row of the table.
type situation struct {
	title string
	goal  string // this library's goal

	onlySignIn bool // skips the caches
	virtual    bool // in a bubble, where waiting costs nothing and times are exact

	run func(t *testing.T, c candidate) outcome

	// check asserts the goal: counts, virtual times, and ratios with a wide margin.
	check func(t *testing.T, ours, azidentity outcome)
}

// TestTable runs every situation and prints the table.
func TestTable(t *testing.T) {
	if testing.Short() {
		t.Skip("the table takes minutes")
	}
	situations := slices.Concat(hitCost(), bounds, manyIdentities, perReconcile, []situation{
		coldStart, herd, otherScope, deadline, pastRefresh, nearExpiry, retryAfter, rotation,
		redirect(307), redirect(308), bomb, unparsable, insertion, eviction, memory,
	})
	table := [][]string{{"Situation", "azidentity", "entrafed", "azidentity ÷ entrafed", "goal", "aws", "oauth2"}}
	for _, s := range situations {
		t.Run(s.title, func(t *testing.T) {
			outcomes := map[string]outcome{}
			for _, c := range candidates {
				outcomes[c.name] = s.measure(t, c)
			}
			us, them := outcomes[ours.name], outcomes[azid.name]
			table = append(table, []string{s.title, them.text, us.text, ratio(them, us), s.goal, outcomes[awsCache.name].text, outcomes[oauth2Cache.name].text})
			if s.check != nil {
				s.check(t, us, them)
			}
		})
	}
	fmt.Printf("\n%s\n%s, %s/%s, %d CPUs; one reading of the clock: %s\n", markdown(table),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), short(clock))
}

func (s situation) measure(t *testing.T, c candidate) (o outcome) {
	switch {
	case s.onlySignIn && !c.signsIn:
		return outcome{text: "—"}
	case s.virtual:
		synctest.Test(t, func(t *testing.T) {
			o = s.run(t, c)
			time.Sleep(time.Minute) // a bubble must outlast the exchanges in it
		})
	default:
		o = s.run(t, c)
	}
	return o
}

func ratio(them, us outcome) string {
	switch {
	case them.cost == 0 || us.cost == 0:
		return "—"
	case them.cost/us.cost < 10:
		return fmt.Sprintf("%.1f", them.cost/us.cost)
	}
	return fmt.Sprintf("%.0f", them.cost/us.cost)
}

// markdown aligns the columns, so that the table also reads well in a terminal.
func markdown(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			b.WriteString("| " + cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+1))
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, w := range widths {
				b.WriteString("|" + strings.Repeat("-", w+2))
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}
