package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/entrafed/entrafed/internal/broken"
)

// rightSetup is the name of the one that is not broken.
const rightSetup = "ok"

func listFakes(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\tnothing is broken\n", rightSetup)
	for _, s := range broken.Setups() {
		fmt.Fprintf(table, "%s\t%s\n", s.Name, s.About)
	}
	return table.Flush()
}

// enterFake makes this process a pod of a cluster that is not there, with an Entra ID that is not there either, and breaks the one
// thing. Nothing leaves the process. cleanUp removes the pod's files, whatever the error.
func (s *settings) enterFake() (cleanUp func(), err error) {
	dir, err := os.MkdirTemp("", "doctor-")
	if err != nil {
		return func() {}, err
	}
	cleanUp = func() { _ = os.RemoveAll(dir) } // the system's own clearing of temporary files is the second chance
	pod, err := fakePod(s.fake, dir)
	if err != nil {
		return cleanUp, err
	}
	o := &s.options
	o.Credential, o.HTTPClient = pod.Options, pod.HTTPClient
	o.Scope, o.Resource = cmp.Or(o.Scope, pod.Scope), cmp.Or(o.Resource, pod.Resource)
	var errs []error
	for _, name := range broken.EnvNames() {
		errs = append(errs, os.Setenv(name, pod.Env[name]))
	}
	return cleanUp, errors.Join(errs...)
}

func fakePod(name, dir string) (*broken.Pod, error) {
	setup, ok := broken.Of(name)
	if !ok && name != rightSetup {
		return nil, fmt.Errorf("-fake %q is not known; -fake list prints what is", name)
	}
	pod, err := broken.NewPod(dir)
	if err == nil && ok {
		err = setup.Break(pod)
	}
	return pod, err
}
