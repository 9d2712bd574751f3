// Command check runs two linters that do not come as commands for `go tool`: bodyclose is only a library for the go command
// of today, and the command of gosec would bring dependencies that have nothing to do with looking at code.
//
// A line that bodyclose is wrong about says so: //nolint:bodyclose and why. For gosec it is #nosec, the rule, and why.
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

// off are gosec's rules that are wrong about a library whose job is to read a file and to post it.
var off = map[string]string{
	"G101": "the constants that it takes for credentials are names of variables and of error codes",
	"G301": "what is written are the fakes' files, which other users read, as they do the kubelet's",
	"G302": "as G301",
	"G304": "which file holds the token is the configuration's to say",
	"G306": "as G301",
	"G404": "chance only spreads a fleet over time, and guards nothing; identifiers come from crypto/rand",
	"G704": "whom to ask is the configuration's to say; what else may decide it, package exchange checks",
	"G705": "the fakes reply in JSON",
}

func main() {
	rules := slices.Sorted(maps.Keys(off))
	if err := goanalysis.Analyzer.Flags.Set("exclude", strings.Join(rules, ",")); err != nil {
		panic(err) // cannot be: gosec has the flag
	}
	multichecker.Main(excusable(bodyclose.Analyzer), goanalysis.Analyzer)
}

// excusable makes an analyzer say nothing about lines with a nolint comment that names it.
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
