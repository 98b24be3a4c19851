package exporter_test

import (
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/exporter"
)

// TestStalledConnectionIsCutOff has a real client that asks and never reads: its slot comes back.
func TestStalledConnectionIsCutOff(t *testing.T) {
	r := newPull(t, func(c *exporter.PullConfig) {
		c.MaxInFlight = 1
		c.Timeout = 50 * time.Millisecond
		c.WriteGrace = 50 * time.Millisecond
	})
	c := must(r.meter.Int64Counter("jobs"))
	for i := range 1500 { // more than the socket's buffers hold
		c.Add(t.Context(), 1, metric.WithAttributes(attribute.String("id", strconv.Itoa(i)+strings.Repeat("x", 4000))))
	}
	server := httptest.NewServer(r)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for r.Stats().Scrapes["client"] == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("the stalled scrape still holds its slot: %v", r.Stats().Scrapes)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
