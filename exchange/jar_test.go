package exchange_test

import (
	"net/http"
	"net/url"
)

// jar is a cookie jar that counts.
type jar struct{ asked int }

func (j *jar) SetCookies(*url.URL, []*http.Cookie) {}

func (j *jar) Cookies(*url.URL) []*http.Cookie {
	j.asked++
	return nil
}
