package kubernetes_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/klog/v2"
)

// cluster is shared by all tests, because it takes seconds to start. The tests run one after
// another, and a test that changes the cluster restores it.
var cluster *controlPlane

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

// run exists for its deferred calls, which os.Exit would skip.
func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "entrafed-kubernetes-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)

	logs, err := os.Create(filepath.Join(dir, "kube-apiserver.log"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer logs.Close()
	logTo(logs)
	defer func() {
		klog.Flush()
		if code != 0 {
			printTail(logs.Name())
		}
	}()

	cluster, err = startControlPlane(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code = m.Run()
	if err := cluster.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// logTo keeps the log of the Kubernetes code out of the tests' output.
func logTo(file *os.File) {
	flags := flag.NewFlagSet("klog", flag.PanicOnError)
	klog.InitFlags(flags)
	flags.Set("logtostderr", "false")
	flags.Set("stderrthreshold", "FATAL")
	klog.SetOutput(file)
}

// printTail prints the end of a log, which has a failure's cause.
func printTail(path string) {
	const most = 16 << 10
	log, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Fprintf(os.Stderr, "the end of kube-apiserver's log:\n%s\n", log[max(0, len(log)-most):])
}
