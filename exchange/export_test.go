package exchange

import "net/http"

// DefaultTransport returns a copy of the default client's transport, so that a test can redirect it
// to its own server.
func DefaultTransport() *http.Transport { return defaultClient().Transport.(*http.Transport).Clone() }
