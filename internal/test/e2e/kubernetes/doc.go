// Package kubernetes contains only tests. A real kube-apiserver, with etcd, runs in the test's
// process and issues the tokens. The fake Entra ID verifies them against the published keys. Only
// the kubelet is imitated, and the imitation writes files with the kubelet's own AtomicWriter.
package kubernetes
