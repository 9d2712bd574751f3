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

// classes maps marks to classes of the page's style sheet.
var classes = map[Mark]string{Fine: "ok", Warning: "warning", Failure: "failure", NotReached: "unreached"}

// WriteHTML writes the report as a self-contained HTML page, which can be attached to a ticket. It
// has no scripts and loads nothing, not even a font. The error is the writer's.
func (r Report) WriteHTML(to io.Writer) error { return page.Execute(to, view{r}) }

// view is the template's data.
type view struct{ Report }

// Headline and Mark are exported because templates cannot call unexported methods.
func (v view) Headline() string { return v.headline() }
func (v view) Mark() Mark       { return verdictMark[v.Verdict] }
