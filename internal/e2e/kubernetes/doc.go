// Package kubernetes holds tests and no code: a real kube-apiserver, with etcd, in the test's own process issues the tokens,
// and the fake Entra ID verifies them against the keys that it publishes. Nothing of Kubernetes is imitated but the kubelet,
// and that writes with its own AtomicWriter.
package kubernetes
