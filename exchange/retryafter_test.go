package exchange_test

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func pause(t testing.TB, h http.Header) time.Duration {
	t.Helper()
	return refused(t, doFunc(func(*http.Request) (*http.Response, error) {
		r := reply(429, "text/plain", "Too Many Requests")
		maps.Copy(r.Header, h)
		return r, nil
	})).RetryAfter
}

func TestRetryAfter(t *testing.T) {
	const date, later = "Tue, 02 Jan 2024 10:00:00 GMT", "Tue, 02 Jan 2024 10:01:30 GMT"
	for name, row := range map[string]struct {
		header map[string]string
		want   time.Duration
	}{
		"none":                             {nil, 0},
		"seconds":                          {map[string]string{"Retry-After": "60"}, time.Minute},
		"spaces":                           {map[string]string{"Retry-After": " 60 "}, time.Minute},
		"ms":                               {map[string]string{"Retry-After-Ms": "1500"}, 1500 * time.Millisecond},
		"x-ms":                             {map[string]string{"X-Ms-Retry-After-Ms": "1500"}, 1500 * time.Millisecond},
		"ms wins over seconds":             {map[string]string{"Retry-After-Ms": "1500", "Retry-After": "60"}, 1500 * time.Millisecond},
		"ms is garbage":                    {map[string]string{"Retry-After-Ms": "soon", "Retry-After": "60"}, time.Minute},
		"ms is zero":                       {map[string]string{"Retry-After-Ms": "0", "Retry-After": "60"}, time.Minute},
		"zero":                             {map[string]string{"Retry-After": "0"}, 0},
		"negative":                         {map[string]string{"Retry-After": "-60"}, 0},
		"garbage":                          {map[string]string{"Retry-After": "soon"}, 0},
		"fraction":                         {map[string]string{"Retry-After": "1.5"}, 0},
		"hex":                              {map[string]string{"Retry-After": "0x10"}, 0},
		"a year":                           {map[string]string{"Retry-After": strconv.Itoa(365 * 86400)}, longest},
		"overflows a duration":             {map[string]string{"Retry-After": "9223372036854775807"}, longest},
		"overflows 64 bits":                {map[string]string{"Retry-After": strings.Repeat("9", 100)}, longest},
		"ms overflow":                      {map[string]string{"Retry-After-Ms": strings.Repeat("9", 100)}, longest},
		"date, relative to Date":           {map[string]string{"Retry-After": later, "Date": date}, 90 * time.Second},
		"past date":                        {map[string]string{"Retry-After": date, "Date": later}, 0},
		"date far ahead":                   {map[string]string{"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT", "Date": date}, longest},
		"date, RFC 850":                    {map[string]string{"Retry-After": "Tuesday, 02-Jan-24 10:01:30 GMT", "Date": date}, 90 * time.Second},
		"date, relative to the clock":      {map[string]string{"Retry-After": "Sat, 01 Jan 2000 00:00:42 GMT"}, 42 * time.Second},
		"date, Date is garbage":            {map[string]string{"Retry-After": "Sat, 01 Jan 2000 00:00:42 GMT", "Date": "today"}, 42 * time.Second},
		"past date, relative to the clock": {map[string]string{"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // a bubble starts in the year 2000
				h := http.Header{}
				for name, value := range row.header {
					h.Set(name, value)
				}
				assert.Equal(t, row.want, pause(t, h))
			})
		})
	}
}
