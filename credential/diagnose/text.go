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
	column = 24 // where a link's own line goes on, and values start at the earliest
)

// style is how a mark looks on a terminal.
type style struct{ sign, colour string }

var styles = map[Mark]style{
	Fine:       {"✔", "32"}, // green
	Warning:    {"!", "33"}, // yellow
	Failure:    {"✘", "31"}, // red
	NotReached: {"–", "90"}, // grey
}

// String returns the report as text, without colour.
func (r Report) String() string {
	var b strings.Builder
	_ = r.WriteText(&b, false)
	return b.String()
}

// WriteText writes the report for people: a line with a mark for each link, then what is wrong, how to mend it, and what was seen.
// Colour is ANSI's, for terminals only. The error is the writer's.
func (r Report) WriteText(to io.Writer, colour bool) error {
	p := &printer{colour: colour}
	for _, l := range r.Links {
		p.link(l)
	}
	p.line("")
	p.line(p.paint(styles[verdictMark[r.Verdict]].colour, r.headline()) + " " + brief(r.Took) + ", " + r.Started.Format(time.RFC3339) + ".")
	p.line(r.Notice)
	_, err := io.WriteString(to, p.text.String())
	return err
}

var verdictMark = map[Verdict]Mark{OK: Fine, Misconfigured: Failure, Transient: Warning}

// headline is the verdict in a sentence.
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
		return "May pass by itself: " + at + "."
	}
	return "To be mended: " + at + "."
}

type printer struct {
	text   strings.Builder
	colour bool
	column int // where this link's values start
}

func (p *printer) link(l Link) {
	s := styles[l.Mark]
	for i, part := range wrap(l.headline(), wide-column) {
		begin := strings.Repeat(" ", column)
		if i == 0 {
			begin = p.paint(s.colour, s.sign) + fmt.Sprintf("  %-*s", column-3, l.Name)
		}
		p.line(begin + part)
	}
	p.column = column
	for _, f := range l.Facts {
		p.column = max(p.column, indent+len(f.Name)+2)
	}
	for _, f := range l.Findings {
		p.item("problem", f.Problem, s.colour)
		p.item("fix", f.Fix, "1")
	}
	for _, f := range l.Facts {
		p.item(f.Name, f.Value, "")
	}
}

// headline is what stands beside a link's name.
func (l Link) headline() string {
	s := l.Summary
	if l.Mark == Warning || l.Mark == Failure {
		s = string(l.Mark)
		if l.Transient {
			s += ", may pass by itself"
		}
	}
	if l.Mark == NotReached {
		return "not reached: " + s
	}
	return s + " (" + brief(l.Took) + ")"
}

// item writes a name and a value, which goes on below itself.
func (p *printer) item(name, value, colour string) {
	if value == "" {
		return
	}
	for i, part := range wrap(value, wide-p.column) {
		if i > 0 {
			name = ""
		}
		p.line(fmt.Sprintf("%*s%-*s%s", indent, "", p.column-indent, name, p.paint(colour, part)))
	}
}

func (p *printer) line(s string) { p.text.WriteString(strings.TrimRight(s, " ") + "\n") }

func (p *printer) paint(colour, s string) string {
	if !p.colour || colour == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// wrap breaks a text at its spaces. A word that is longer than a line, as an issuer can be, stays whole: it is to be copied.
func wrap(s string, width int) []string {
	var lines []string
	for _, word := range strings.Fields(s) {
		last := len(lines) - 1
		if last >= 0 && utf8.RuneCountInString(lines[last])+1+utf8.RuneCountInString(word) <= width {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

// brief rounds to what a person reads.
func brief(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "<1ms"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
