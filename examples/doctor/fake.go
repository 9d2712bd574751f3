package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/entrafed/entrafed/internal/test/setups"
)

// workingSetup is the name of the setup that is not broken.
const workingSetup = "ok"

func listFakes(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\tnothing is broken\n", workingSetup)
	for _, s := range setups.Setups() {
		fmt.Fprintf(table, "%s\t%s\n", s.Name, s.About)
	}
	return table.Flush()
}

// enterFake makes this process a pod of a fake cluster with a fake Entra ID, and breaks the setup.
// Nothing leaves the process. cleanUp removes the pod's files; call it even after an error.
func (s *settings) enterFake() (cleanUp func(), err error) {
	dir, err := os.MkdirTemp("", "doctor-")
	if err != nil {
		return func() {}, fmt.Errorf("making a temporary directory (TMPDIR): %w", err)
	}
	cleanUp = func() { _ = os.RemoveAll(dir) } // if that fails, the system clears its temporary files
	pod, err := fakePod(s.fake, dir)
	if err != nil {
		return cleanUp, err
	}
	o := &s.options
	if o.Agent != "" {
		if err := pod.AddAgent(o.Agent); err != nil {
			return cleanUp, err
		}
	}
	o.Credential, o.HTTPClient = pod.Options, pod.HTTPClient
	o.Scope, o.Resource = cmp.Or(o.Scope, pod.Scope), cmp.Or(o.Resource, pod.Resource)
	return cleanUp, pod.Enter()
}

func fakePod(name, dir string) (*setups.Pod, error) {
	setup, ok := setups.Of(name)
	if !ok && name != workingSetup {
		return nil, fmt.Errorf("-fake %q is not known; -fake list prints the names", name)
	}
	pod, err := setups.NewPod(dir)
	if err == nil && ok {
		err = setup.Break(pod)
	}
	return pod, err
}
