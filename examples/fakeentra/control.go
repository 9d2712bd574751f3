package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// control changes Entra ID's replies while fakeentra runs. Tests in any language can use it, over
// plain HTTP on loopback.
type control struct {
	entra *entratest.Server
	log   *log.Logger

	mu  sync.Mutex
	now faults
}

// ServeHTTP answers GET with the settings. A POST's form replaces all settings, so an empty form
// restores an Entra ID that works.
func (c *control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !isLoopback(r.Host) || r.Header.Get("Origin") != "" { // a browser's page
		http.Error(w, "the control endpoint is for programs on this machine", http.StatusForbidden)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Method {
	case http.MethodGet:
	case http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
		wanted, err := readFaults(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.now = wanted
		c.now.apply(c.entra)
		c.log.Printf("control: %q", c.now)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	fmt.Fprintln(w, c.now)
}

func readFaults(r *http.Request) (faults, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	wanted := faults{}
	for name, values := range r.PostForm {
		for _, value := range values {
			if err := wanted.set(name, value); err != nil {
				return nil, err
			}
		}
	}
	return wanted, wanted.check()
}

// isLoopback reports whether host, with or without a port, can only be this machine.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
