package exchange_test

import (
	"net/http"
	"net/url"
)

// jar is a cookie jar that counts its calls.
type jar struct{ calls int }

func (j *jar) SetCookies(*url.URL, []*http.Cookie) {}

func (j *jar) Cookies(*url.URL) []*http.Cookie {
	j.calls++
	return nil
}
