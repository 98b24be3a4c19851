package compare

import (
	"fmt"

	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// FromPrometheus reads what a query returned.
func FromPrometheus(samples []servers.Sample, without ...string) Series {
	out := Series{}
	for _, s := range samples {
		v := Value{Number: s.Value}
		if h := s.Histogram; h != nil {
			v = Value{Histogram: fmt.Sprintf("count %s sum %s %v", h.Count, h.Sum, h.Buckets)}
		}
		out[Key(s.Labels["__name__"], s.Labels, without...)] = v
	}
	return out
}

// FromText reads an exposition.
func FromText(exposition telemetrytest.Exposition, without ...string) Series {
	out := Series{}
	for _, s := range exposition.Samples() {
		out[Key(s.Name, s.Labels, without...)] = Value{Number: s.Value}
	}
	return out
}
