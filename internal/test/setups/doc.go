// Package setups provides workload setups in which one thing is wrong. Each is a state of the
// environment, a file, the cluster or Entra ID that the fakes of entratest judge, so tests can
// compare an error or a diagnosis with the actual fault.
//
// Everything runs in the process. No socket is opened, so the package works inside a
// testing/synctest bubble as well as outside.
package setups
