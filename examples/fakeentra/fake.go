package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/entrafed/entrafed/exchange/entratest"
	"github.com/entrafed/entrafed/internal/test/setups"
)

// assertionLifetime is the lifetime of the token in the file, and the default of a projected token.
const assertionLifetime = time.Hour

// shutdown is how long running requests get to finish after Ctrl-C.
const shutdown = 3 * time.Second

// fake is the running Entra ID and cluster.
type fake struct {
	log    *log.Logger
	files  files
	ca     *entratest.CA
	caFile string

	listen  net.Listener
	control net.Listener // nil without -control
	host    string       // as clients know it
	addr    string       // host and port
	base    string       // URL without a trailing slash

	pod    *pod   // the pod whose environment is printed
	faults faults // initial
}

// run serves until ctx ends. It prints the environment to out and logs requests to logs.
func run(ctx context.Context, out, logs io.Writer, s settings) (err error) {
	if s.setup == "list" {
		return listSetups(out)
	}
	f := &fake{log: log.New(logs, "", log.LstdFlags)}
	defer func() { err = errors.Join(err, f.close()) }()
	if err := f.start(s); err != nil {
		return err
	}
	if err := f.printEnvironment(out); err != nil {
		return err
	}
	return f.serve(ctx)
}

// start does everything up to accepting connections.
func (f *fake) start(s settings) (err error) {
	if s.lifetime < time.Second {
		return usageError{fmt.Errorf("-lifetime %v is less than a second", s.lifetime)}
	}
	setup, known := setups.Of(s.setup)
	if s.setup != "" && !known {
		return usageError{fmt.Errorf("unknown -setup %q; -setup list prints the known ones", s.setup)}
	}
	if f.ca, err = entratest.NewCA(); err != nil {
		return err
	}
	if err := f.listenOn(s.addr); err != nil {
		return err
	}
	if err := f.listenForControl(s.control); err != nil {
		return err
	}
	var volume string
	if f.caFile, volume, err = f.files.prepare(s.dir, f.ca.PEM()); err != nil {
		return err
	}
	if known {
		f.pod, err = f.brokenPod(volume, s.lifetime, setup)
	} else {
		f.pod, err = f.rightPod(volume, s.lifetime)
	}
	if err == nil && len(s.faults) > 0 {
		s.faults.apply(f.pod.Entra)
	}
	f.faults = s.faults
	return errors.Join(err, f.files.adopt(volume))
}

func (f *fake) listenOn(addr string) (err error) {
	if f.host, _, err = net.SplitHostPort(addr); err != nil {
		return usageError{fmt.Errorf("-addr: %w", err)}
	}
	if ip := net.ParseIP(f.host); f.host == "" || ip != nil && ip.IsUnspecified() {
		f.host = "127.0.0.1" // which works too
	}
	if f.listen, err = net.Listen("tcp", addr); err != nil {
		return fmt.Errorf("-addr: %w (127.0.0.1:0 takes any free port)", err)
	}
	_, port, err := net.SplitHostPort(f.listen.Addr().String())
	if err != nil {
		return err
	}
	f.addr = net.JoinHostPort(f.host, port)
	f.base = "https://" + strings.TrimSuffix(f.addr, ":443") // clients know Entra ID's hosts without the port
	return nil
}

func (f *fake) listenForControl(addr string) (err error) {
	if addr == "" {
		return nil
	}
	if host, _, err := net.SplitHostPort(addr); err != nil || !isLoopback(host) {
		return usageError{fmt.Errorf("-control %q is not a loopback address such as 127.0.0.1:8444", addr)}
	}
	if f.control, err = net.Listen("tcp", addr); err != nil {
		return fmt.Errorf("-control: %w", err)
	}
	return nil
}

// serve returns nil when ctx has ended and the last requests have finished or been cut off.
func (f *fake) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	rotated := make(chan struct{})
	go func() {
		defer close(rotated)
		rotate(ctx, f.pod.Projection, f.log)
	}()
	server := &http.Server{
		Handler:           logged(f.log, f.handler()),
		TLSConfig:         &tls.Config{GetCertificate: f.certificate, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(handshakes{f.log, f.caFile}, "", 0),
	}
	served := make(chan error, 2)
	go func() { served <- server.ServeTLS(f.listen, "", "") }()
	if f.control != nil {
		controls := &http.Server{Handler: &control{entra: f.pod.Entra, log: f.log, now: f.faults}, ReadHeaderTimeout: 10 * time.Second}
		defer controls.Close()
		go func() { served <- controls.Serve(f.control) }()
	}

	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		grace, done := context.WithTimeout(context.Background(), shutdown)
		defer done()
		if server.Shutdown(grace) != nil {
			err = server.Close()
		}
	}
	cancel()
	<-rotated
	return err
}

// rotate projects a new token after 80% of its lifetime, as the kubelet does, until ctx ends.
func rotate(ctx context.Context, volume *entratest.Projection, log *log.Logger) {
	ticker := time.NewTicker(assertionLifetime * 8 / 10)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := volume.Rotate(); err != nil {
			log.Printf("token file: %v", err)
			continue
		}
		log.Print("token file rotated")
	}
}

// close removes the files that start wrote. It is safe after a failed start.
func (f *fake) close() error {
	var errs []error
	for _, listener := range []net.Listener{f.listen, f.control} {
		if listener == nil {
			continue
		}
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if f.pod != nil {
		f.pod.Entra.HTTPClient.CloseIdleConnections()
	}
	return errors.Join(append(errs, f.files.remove())...)
}
