// Package bench runs this library and its peers through the same situations, against the same fake
// endpoint, in one process. It is all tests; README.md has the commands and a recorded run.
//
// The tests assert counts, sizes, virtual times and, with wide margins, ratios within one run. They
// print durations but never assert them, because those depend on the machine.
package bench
