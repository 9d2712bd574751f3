// Package broken has setups of a workload in which one thing is wrong, each as a state of environment, file, cluster or Entra ID
// that the fakes of entratest judge: what an error or a diagnosis says of it can be compared with what is wrong.
//
// Everything happens in the process: no socket is opened, and it works inside a testing/synctest bubble as well as outside.
package broken
