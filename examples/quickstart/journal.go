package main

import (
	"fmt"
	"io"
	"time"

	"github.com/entrafed/entrafed/tokenfile"
)

// journal numbers the steps and prints each as it happens.
type journal struct {
	out   io.Writer
	steps int
}

func (j *journal) title() { fmt.Fprint(j.out, "\nWhat happened, and how long it took\n") }

// step prints what happened, and how long it took.
func (j *journal) step(took time.Duration, format string, a ...any) {
	j.steps++
	fmt.Fprintf(j.out, "%3d. %8s  %s\n", j.steps, brief(took), fmt.Sprintf(format, a...))
}

// more adds a line to the last step.
func (j *journal) more(format string, a ...any) {
	fmt.Fprintf(j.out, "%15s%s\n", "", fmt.Sprintf(format, a...))
}

// brief rounds to three digits; more would be noise.
func brief(d time.Duration) string {
	unit := time.Nanosecond
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit).String()
}

// tokenID returns the beginning of a federated token's ID (its claim jti), which is not a secret.
func tokenID(raw string) string {
	token, err := tokenfile.Parse(raw)
	if err != nil || token.ID == "" {
		return "(none)"
	}
	return fmt.Sprintf("%.8s…", token.ID)
}
