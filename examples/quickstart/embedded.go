package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entrafed/entrafed/credential"
)

const (
	vault   = "https://vault.azure.net/.default"
	storage = "https://storage.azure.com/.default"
)

// runEmbedded signs in on loopback. It prints its mode first, before anything can fail.
func runEmbedded(ctx context.Context, out io.Writer) error {
	fmt.Fprintln(out, "entrafed quickstart, embedded mode: no workload identity in the environment.")
	fmt.Fprintln(out, "It starts its own cluster and Entra ID on loopback; nothing leaves this machine.")
	fmt.Fprintln(out)
	l, err := startLoopback()
	if err != nil {
		return err
	}
	defer l.close()
	return demonstrate(ctx, out, l)
}

// demo is one credential, with a view of both its ends: the pod's token file and Entra ID.
type demo struct {
	*loopback
	cred  *credential.Credential
	out   io.Writer
	log   journal
	token azcore.AccessToken // for the vault: the first one
}

// demonstrate shows the life of a credential, step by step.
func demonstrate(ctx context.Context, out io.Writer, l *loopback) error {
	// This is the whole setup. In a pod it is credential.New(nil): the options are in its
	// environment. Create one credential per identity and pass it to all Azure SDK clients: they
	// share its tokens.
	cred, err := credential.New(&l.options)
	if err != nil {
		return err
	}
	d := &demo{loopback: l, cred: cred, out: out, log: journal{out: out}}
	for _, step := range []func(context.Context) error{d.signIn, d.otherResource, d.hit, d.rotate, d.refresh} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.summary()
	return nil
}

// get does what an Azure SDK client does before each request, and measures the time.
func (d *demo) get(ctx context.Context, scope string) (azcore.AccessToken, time.Duration, error) {
	start := time.Now()
	token, err := d.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	return token, time.Since(start), err
}

// signIn gets the first token and shows the chain that leads to it.
func (d *demo) signIn(ctx context.Context) error {
	file, err := readTokenFile(ctx, d.TokenFile)
	if err != nil {
		return err
	}
	token, took, err := d.get(ctx, vault)
	if err != nil {
		return err
	}
	d.token = token
	drawChain(d.out, file, identity{clientID: d.ClientID, tenantID: d.TenantID}, token, took)
	d.log.title()
	d.log.step(d.projected, "The cluster signed a token for the pod and projected it into the file.")
	d.log.step(took, "GetToken for the vault: no token yet, so it read the file and sent one POST.")
	d.log.more("Entra ID verified it with the issuer's keys and found its credential.")
	return nil
}

// otherResource gets a token for another resource: each has its own, from the same file.
func (d *demo) otherResource(ctx context.Context) error {
	_, took, err := d.get(ctx, storage)
	if err == nil {
		d.log.step(took, "GetToken for storage: another resource, so another POST.")
	}
	return err
}

// hit requests a token that is in memory. One call is too short for the clock, so hit times a
// hundred at once.
func (d *demo) hit(ctx context.Context) error {
	const rounds, calls = 101, 100 // the median of an odd number is one of them
	options := policy.TokenRequestOptions{Scopes: []string{vault}}
	times := make([]time.Duration, 0, rounds)
	for range rounds {
		start := time.Now()
		for range calls {
			if _, err := d.cred.GetToken(ctx, options); err != nil {
				return err
			}
		}
		times = append(times, time.Since(start)/calls)
	}
	slices.Sort(times)
	d.log.step(times[rounds/2], "GetToken again: from memory, no request (median of %d × %d calls).", rounds, calls)
	return nil
}

// rotate replaces the pod's token, as the kubelet does before it expires. The credential needs no
// notice: it reads the file again for each exchange.
func (d *demo) rotate(context.Context) error {
	before := tokenID(d.Projection.Token())
	start := time.Now()
	if err := d.Projection.Rotate(); err != nil {
		return err
	}
	took := time.Since(start)
	d.log.step(took, "The kubelet rotated the file: federated token %s became %s", before, tokenID(d.Projection.Token()))
	d.log.more("No request: the access tokens are still valid.")
	return nil
}

// summary shows what Entra ID saw.
func (d *demo) summary() {
	requests := d.Entra.Requests()
	fmt.Fprintf(d.out, "\nRequests that Entra ID saw: %d\n", len(requests))
	for i, r := range requests {
		fmt.Fprintf(d.out, "%3d. %-34s  with federated token %s\n", i+1, cmp.Or(r.Scope, r.Path), tokenID(r.Assertion))
	}
}
