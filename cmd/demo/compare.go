package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/otlptranslator"

	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// compared are the metrics that stand still when no request does, by the beginning of their names.
// The others (memory, the exits' own metrics) have moved by the time the second exit is asked.
var compared = []string{"http.server.", "demo."}

// row is one series as each exit has it. A series that an exit does not have is NaN there.
type row struct {
	sample          telemetrytest.Sample // as the scrape would show it
	scrape, backend float64
}

// agrees allows for the rounding of a sum of differences, and for no other difference.
func (r row) agrees() bool {
	return math.Abs(r.scrape-r.backend) <= 1e-9*math.Abs(r.scrape)
}

// compare returns every compared series of both exits, sorted by name.
func (d *demo) compare(ctx context.Context) ([]row, error) {
	scraped, err := d.scrape(ctx)
	if err != nil {
		return nil, err
	}
	received, err := d.received()
	if err != nil {
		return nil, err
	}
	rows := map[string]row{}
	for _, s := range scraped {
		rows[key(s)] = row{s, s.Value, math.NaN()}
	}
	for _, s := range received {
		r, ok := rows[key(s)]
		if !ok {
			r = row{s, math.NaN(), 0}
		}
		r.backend = s.Value
		rows[key(s)] = r
	}
	return slices.SortedFunc(maps.Values(rows), func(a, b row) int { return strings.Compare(key(a.sample), key(b.sample)) }), nil
}

func key(s telemetrytest.Sample) string {
	s.Value = 0
	return s.String()
}

// scrape asks the pull exit as Prometheus would, without a connection: it also works when the server
// has stopped.
func (d *demo) scrape(ctx context.Context) ([]telemetrytest.Sample, error) {
	w := httptest.NewRecorder()
	d.sdk.MetricsHandler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("scrape: status %d: %s", w.Code, strings.TrimSpace(w.Body.String()))
	}
	exposition, err := telemetrytest.ParseExposition(w.Body)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	var out []telemetrytest.Sample
	for _, s := range exposition.Samples() {
		if d.isCompared(s.Name) {
			out = append(out, d.withoutAdded(s))
		}
	}
	return out, nil
}

func (d *demo) isCompared(exposed string) bool {
	for _, prefix := range compared {
		if strings.HasPrefix(exposed, d.namespace()+strings.ReplaceAll(prefix, ".", "_")) {
			return true
		}
	}
	return false
}

// namespace is what the pull exit puts in front of the names.
func (d *demo) namespace() string {
	prefix := ""
	for _, part := range []string{d.config.Pull.Namespace, d.config.Pull.Subsystem} {
		if part != "" {
			prefix += part + "_"
		}
	}
	return prefix
}

// withoutAdded drops the labels that the push exit has elsewhere: the scope's, and METRICS_CUSTOM_LABELS,
// which are resource attributes there.
func (d *demo) withoutAdded(s telemetrytest.Sample) telemetrytest.Sample {
	labels := maps.Clone(s.Labels)
	maps.DeleteFunc(labels, func(name, _ string) bool {
		_, custom := d.config.Labels[name]
		return custom || strings.HasPrefix(name, "otel_scope_")
	})
	s.Labels = labels
	return s
}

// received is what the backend has, in the words of the scrape.
func (d *demo) received() ([]telemetrytest.Sample, error) {
	var out []telemetrytest.Sample
	for _, s := range d.backend.Series() {
		if !slices.ContainsFunc(compared, func(prefix string) bool { return strings.HasPrefix(s.Name, prefix) }) {
			continue
		}
		samples, err := d.translate(s)
		if err != nil {
			return nil, err
		}
		out = append(out, samples...)
	}
	return out, nil
}

// translate writes a series as the pull exit does.
func (d *demo) translate(s telemetrytest.Series) ([]telemetrytest.Sample, error) {
	namer := otlptranslator.MetricNamer{Namespace: strings.TrimSuffix(d.namespace(), "_"), WithMetricSuffixes: true}
	name, err := namer.Build(otlptranslator.Metric{Name: s.Name, Unit: s.Unit, Type: metricType(s)})
	labels := make(map[string]string, len(s.Labels))
	for k, v := range s.Labels {
		label, bad := (&otlptranslator.LabelNamer{}).Build(k)
		err = errors.Join(err, bad)
		labels[label] = v
	}
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	if s.Kind != telemetrytest.KindHistogram {
		return []telemetrytest.Sample{{Name: name, Labels: labels, Value: s.Total()}}, nil
	}
	return histogram(name, labels, s), nil
}

func metricType(s telemetrytest.Series) otlptranslator.MetricType {
	switch {
	case s.Kind == telemetrytest.KindHistogram:
		return otlptranslator.MetricTypeHistogram
	case s.Kind == telemetrytest.KindSum && s.Monotonic:
		return otlptranslator.MetricTypeMonotonicCounter
	case s.Kind == telemetrytest.KindSum:
		return otlptranslator.MetricTypeNonMonotonicCounter
	}
	return otlptranslator.MetricTypeGauge
}

// histogram counts up the buckets, as the text format has them.
func histogram(name string, labels map[string]string, s telemetrytest.Series) []telemetrytest.Sample {
	out := []telemetrytest.Sample{
		{Name: name + "_count", Labels: labels, Value: float64(s.Count)},
		{Name: name + "_sum", Labels: labels, Value: s.Sum},
	}
	total := uint64(0)
	for i, n := range s.Buckets {
		total += n
		le := math.Inf(1)
		if i < len(s.Bounds) {
			le = s.Bounds[i]
		}
		bucket := maps.Clone(labels)
		bucket["le"] = strconv.FormatFloat(le, 'g', -1, 64)
		out = append(out, telemetrytest.Sample{Name: name + "_bucket", Labels: bucket, Value: float64(total)})
	}
	return out
}
