package bench

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entrafed/entrafed/exchange/entratest"
)

// retryAfter measures calls to an endpoint that requests a pause.
var retryAfter = situation{
	title: "Retry-After: 300, three calls: requests", goal: "1; the others told until when",
	virtual: true,
	run: func(t *testing.T, c candidate) outcome {
		entra := new(entratest.Server)
		cred := queued(c, c.open(t, at(t, entra)))
		entra.SetReply(new(entratest.Throttle(300 * time.Second)))
		var err error
		for range 3 {
			_, err = timed(t.Context(), cred, vault)
			require.Error(t, err)
		}
		text := fmt.Sprint(tokenRequests(entra))
		if namesEnd(err, time.Now().Add(300*time.Second)) {
			text += ", the others told until when"
		}
		return outcome{text, float64(tokenRequests(entra))}
	},
	check: func(t *testing.T, us, _ outcome) { require.Equal(t, "1, the others told until when", us.text) },
}

var dateTime = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d`)

// namesEnd reports whether an error names the end of a pause. Jitter may make it later than
// requested.
func namesEnd(err error, end time.Time) bool {
	for _, text := range dateTime.FindAllString(err.Error(), -1) {
		told, err := time.Parse(time.DateTime, strings.Replace(text, "T", " ", 1))
		if late := told.Sub(end); err == nil && late > -2*time.Second && late < 2*time.Minute {
			return true
		}
	}
	return false
}
