package exporter_test

import (
	"fmt"
	"strings"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/duotel/duotel/exporter"
)

// gauges produces one gauge for each of n metrics.
func gauges(n int) (producers []sdkmetric.Producer) {
	for i := range n {
		producers = append(producers, gauge(fmt.Sprint("m", i), 1))
	}
	return producers
}

// F19: what is too large is halved until it fits.
func TestPushSplitsWhatIsTooLarge(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		b.limit(3)
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Producers: gauges(10)}))
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := b.acceptedNames()
		if s := p.Stats(); len(got) != 10 || s.PointsSent != 10 || s.PointsLost != 0 {
			t.Errorf("arrived %v, %+v", got, s)
		}
		for name, n := range got {
			if n != 1 {
				t.Errorf("%s arrived %d times", name, n)
			}
		}
	})
}

func TestPushGivesUpASinglePointThatIsTooLarge(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		b.limit(0)
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Producers: gauges(2)}))
		if err := p.ForceFlush(t.Context()); err == nil || !strings.Contains(err.Error(), "too_large") {
			t.Errorf("ForceFlush: %v", err)
		}
		if s := p.Stats(); s.PointsLost != 2 || len(b.all()) != 3 {
			t.Errorf("lost %d in %d requests", s.PointsLost, len(b.all()))
		}
	})
}

func TestPushKeepsToTheBatchSize(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Producers: gauges(7), MaxExportBatchSize: 3}))
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		var sizes []int
		for _, a := range b.all() {
			sizes = append(sizes, len(a.names()))
		}
		if fmt.Sprint(sizes) != "[3 3 1]" {
			t.Errorf("batches of %v", sizes)
		}
	})
}
