// Package bench runs this library and its peers through the same situations, against the same fake endpoint, in one
// process. It is all tests; README.md has the commands and a recorded run.
//
// Counts and ratios within one run are asserted, with wide margins. Absolute figures are printed and never asserted:
// they are the machine's.
package bench
