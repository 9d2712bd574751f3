package exchange_test

import (
	"testing"

	"github.com/entrafed/entrafed/exchange"
)

func BenchmarkExchange(b *testing.B) {
	c, err := exchange.NewClient(once(always(200, "application/json", success)))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Exchange(b.Context(), request()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRefusal(b *testing.B) {
	c, err := exchange.NewClient(once(always(401, "application/json", entraError(" "))))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Exchange(b.Context(), request()); err == nil {
			b.Fatal("a refusal is an error")
		}
	}
}
