package diagnose

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	wide   = 110 // columns
	indent = 4
	column = 26 // where a link's summary starts, and values too unless a name is long
)

// style is a mark's look on a terminal.
type style struct{ sign, color string }

var styles = map[Mark]style{
	Fine:       {"✔", "32"}, // green
	Warning:    {"!", "33"}, // yellow
	Failure:    {"✘", "31"}, // red
	NotReached: {"–", "90"}, // grey
}

// String returns the report as text, without color.
func (r Report) String() string {
	var b strings.Builder
	_ = r.WriteText(&b, false)
	return b.String()
}

// WriteText writes the report for people. Each link has a line with its mark, followed by what was
// seen there. The text ends with the verdict and, for each link that failed, the problem and the
// fix. color adds ANSI color codes, which only terminals understand. The error is the writer's.
func (r Report) WriteText(to io.Writer, color bool) error { return r.write(to, color, true) }

// WriteBrief is like [Report.WriteText], but leaves out the details of links marked [Fine] or
// [NotReached].
func (r Report) WriteBrief(to io.Writer, color bool) error { return r.write(to, color, false) }

func (r Report) write(to io.Writer, color, verbose bool) error {
	p := &printer{color: color}
	for _, l := range r.Links {
		p.link(l, verbose)
	}
	p.line("")
	for _, part := range wrap(r.Started.Format(time.RFC3339)+", "+brief(r.Took)+". "+r.Notice, wide) {
		p.line(part)
	}
	p.line("")
	p.line(p.paint(styles[verdictMark[r.Verdict]].color, r.headline()))
	p.column = indent + len("problem") + 2
	for _, l := range r.Faults() {
		p.findings(l)
	}
	_, err := io.WriteString(to, p.text.String())
	return err
}

var verdictMark = map[Verdict]Mark{OK: Fine, Misconfigured: Failure, Transient: Warning}

// headline returns the verdict as a sentence.
func (r Report) headline() string {
	var names []string
	for _, l := range r.Faults() {
		names = append(names, string(l.Name))
	}
	at := strings.Join(names, ", ")
	switch {
	case r.Verdict == OK:
		return "The workload can sign in."
	case r.Verdict == Transient:
		return "May clear up on its own: " + at + "."
	}
	return "Fix needed: " + at + "."
}

type printer struct {
	text   strings.Builder
	color  bool
	column int // where this link's values start
}

func (p *printer) link(l Link, verbose bool) {
	s := styles[l.Mark]
	for i, part := range wrap(l.headline(), wide-column) {
		begin := strings.Repeat(" ", column)
		if i == 0 {
			begin = p.paint(s.color, s.sign) + fmt.Sprintf("  %-*s", column-3, l.Name)
		}
		p.line(begin + part)
	}
	if (l.Mark == Fine || l.Mark == NotReached) && !verbose {
		return
	}
	p.column = column
	for _, f := range l.Facts {
		p.column = max(p.column, indent+len(f.Name)+2)
	}
	if l.Mark != Failure { // failures come at the end
		p.findings(l)
	}
	for _, f := range l.Facts {
		p.item(f.Name, f.Value, "")
	}
}

// findings prints a link's problems and fixes.
func (p *printer) findings(l Link) {
	for _, f := range l.Findings {
		p.item("problem", f.Problem, styles[l.Mark].color)
		p.item("fix", f.Fix, "1")
	}
}

// headline returns the text next to a link's name.
func (l Link) headline() string {
	s := l.Summary
	if l.Mark == Warning || l.Mark == Failure {
		s = string(l.Mark)
		if l.Transient {
			s += ", may clear up on its own"
		}
	}
	if l.Mark == NotReached {
		return "not reached: " + s
	}
	return s + " (" + brief(l.Took) + ")"
}

// item prints a name and a value. The value's further lines start in the same column.
func (p *printer) item(name, value, color string) {
	if value == "" {
		return
	}
	for i, part := range wrap(value, wide-p.column) {
		if i > 0 {
			name = ""
		}
		p.line(fmt.Sprintf("%*s%-*s%s", indent, "", p.column-indent, name, p.paint(color, part)))
	}
}

func (p *printer) line(s string) { p.text.WriteString(strings.TrimRight(s, " ") + "\n") }

func (p *printer) paint(color, s string) string {
	if !p.color || color == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// wrap breaks a text at its spaces. A word longer than a line, such as an issuer, stays whole, so
// that it can be copied.
func wrap(s string, width int) []string {
	var lines []string
	for word := range strings.FieldsSeq(s) {
		last := len(lines) - 1
		if last >= 0 && utf8.RuneCountInString(lines[last])+1+utf8.RuneCountInString(word) <= width {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

// brief formats a duration, rounded for people.
func brief(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "<1ms"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
