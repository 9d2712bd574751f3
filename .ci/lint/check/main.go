// Command check runs two linters that have no suitable command for `go tool`. bodyclose is only
// available as a library for the current Go version. gosec's command would add unrelated
// dependencies.
//
// A line that bodyclose is wrong about has a //nolint:bodyclose comment with the reason. For gosec
// it is #nosec with the rule and the reason.
package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/securego/gosec/v2/goanalysis"
	"github.com/timakin/bodyclose/passes/bodyclose"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/multichecker"
)

// off lists gosec's rules that are wrong about a library whose job is to read a file and post it.
var off = map[string]string{
	"G101": "the constants that it takes for credentials are names of variables and error codes",
	"G301": "only the fakes write files, and other users must be able to read them, like the kubelet's",
	"G302": "as G301",
	"G304": "the configuration chooses the token file",
	"G306": "as G301",
	"G404": "randomness only spreads a fleet over time and is no protection; identifiers come from crypto/rand",
	"G704": "the configuration chooses the host; package exchange checks every other influence on it",
	"G705": "the fakes reply in JSON",
}

func main() {
	rules := slices.Sorted(maps.Keys(off))
	if err := goanalysis.Analyzer.Flags.Set("exclude", strings.Join(rules, ",")); err != nil {
		panic(err) // impossible: gosec has the flag
	}
	multichecker.Main(excusable(bodyclose.Analyzer), goanalysis.Analyzer)
}

// excusable makes an analyzer ignore lines with a nolint comment that names it.
func excusable(a *analysis.Analyzer) *analysis.Analyzer {
	run := a.Run
	a.Run = func(pass *analysis.Pass) (any, error) {
		lines := excused(pass, "//nolint:"+a.Name+" ")
		own := *pass
		own.Report = func(d analysis.Diagnostic) {
			if p := pass.Fset.Position(d.Pos); !lines[line{p.Filename, p.Line}] {
				pass.Report(d)
			}
		}
		return run(&own)
	}
	return a
}

type line struct {
	file   string
	number int
}

func excused(pass *analysis.Pass, mark string) map[line]bool {
	lines := map[line]bool{}
	for _, file := range pass.Files {
		for _, group := range file.Comments {
			for _, comment := range group.List {
				if p := pass.Fset.Position(comment.Pos()); strings.HasPrefix(comment.Text, mark) {
					lines[line{p.Filename, p.Line}] = true
				}
			}
		}
	}
	return lines
}
