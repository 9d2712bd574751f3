package diagnose

import (
	_ "embed"
	"html/template"
	"io"
	"time"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"sign":  func(m Mark) string { return styles[m].sign },
	"class": func(m Mark) string { return classes[m] },
	"brief": brief,
	"time":  func(t time.Time) string { return t.Format(time.RFC3339) },
}).Parse(pageText))

// classes of the page's style sheet.
var classes = map[Mark]string{Fine: "ok", Warning: "warning", Failure: "failure", NotReached: "unreached"}

// WriteHTML writes the report as one page that needs nothing else: no script, no font, no address that it loads from. It can be
// attached to a ticket. The error is the writer's.
func (r Report) WriteHTML(to io.Writer) error { return page.Execute(to, view{r}) }

// view is what the page shows.
type view struct{ Report }

// Headline and Mark are for the template, which sees what is exported.
func (v view) Headline() string { return v.headline() }
func (v view) Mark() Mark       { return verdictMark[v.Verdict] }
