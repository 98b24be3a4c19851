package vocabulary_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/internal/vocabulary"
	"github.com/duotel/duotel/middleware"
)

// request is one random measurement. Its numbers are such that sums are exact in any order.
type request struct {
	route, method, scheme, version string
	status                         int
	seconds                        float64
	sent, received                 int64 // bytes of the response, of the request
}

func (r request) attributes() attribute.Set {
	attrs := []attribute.KeyValue{
		attribute.String("http.route", r.route), attribute.String("http.request.method", r.method),
		attribute.String("url.scheme", r.scheme), attribute.String("network.protocol.version", r.version),
	}
	if r.status > 0 {
		attrs = append(attrs, attribute.Int("http.response.status_code", r.status))
	}
	if r.status >= 500 {
		attrs = append(attrs, attribute.String("error.type", fmt.Sprint(r.status)))
	}
	return attribute.NewSet(attrs...)
}

func oneOf[T any](rng *rand.Rand, values ...T) T { return values[rng.IntN(len(values))] }

func randomRequest(rng *rand.Rand) request {
	return request{
		route: oneOf(rng, "/", "/items/{id}", "unmatched"), method: oneOf(rng, "GET", "POST", "_OTHER"),
		scheme: oneOf(rng, "http", "https"), version: oneOf(rng, "1.1", "2"), status: oneOf(rng, 0, 200, 201, 404, 500, 503),
		// A bound belongs to its bucket, so bounds themselves are among the values.
		seconds: oneOf(rng, float64(rng.IntN(12*64))/64, 0.05, 0.1, 0.3, 1, 3, 5, 10, 0.25),
		sent:    rng.Int64N(1 << 20), received: rng.Int64N(1 << 20),
	}
}

// record measures requests as the middleware does, through the SDK.
func record(tb testing.TB, m *meters, requests []request, bounds []float64) {
	tb.Helper()
	meter := m.Meter(middleware.ScopeName)
	duration, _ := meter.Float64Histogram("http.server.request.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(bounds...))
	sent, _ := meter.Int64Histogram("http.server.response.body.size", metric.WithUnit("By"))
	received, _ := meter.Int64Histogram("http.server.request.body.size", metric.WithUnit("By"))
	for _, r := range requests {
		duration.Record(tb.Context(), r.seconds, metric.WithAttributeSet(r.attributes()))
		sent.Record(tb.Context(), r.sent, metric.WithAttributeSet(r.attributes()))
		received.Record(tb.Context(), r.received, metric.WithAttributeSet(r.attributes()))
	}
}

// histogramOf is what a histogram of these values must be.
func histogramOf(bounds, values []float64) (counts []uint64) {
	counts = make([]uint64, len(bounds)+1)
	for _, v := range values {
		i, _ := slices.BinarySearch(bounds, v)
		counts[i]++
	}
	return counts
}

// TestBothVocabulariesAreExact compares every series of either vocabulary with the requests themselves.
func TestBothVocabulariesAreExact(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		requests := make([]request, 1+rng.IntN(400))
		for i := range requests {
			requests[i] = randomRequest(rng)
		}
		m := newMeters(t)
		record(t, m, requests, vocabulary.DurationBuckets(vocabulary.Both))
		scopes := rewritten(t, m, vocabulary.Both)

		checkDurations(t, scopes, "http.server.request.duration", requests, middleware.DefaultDurationBuckets(), request.attributes)
		checkDurations(t, scopes, "http_request_duration", requests, []float64{0.05, 0.1, 0.3, 1, 3, 5}, func(r request) attribute.Set {
			return attribute.NewSet(attribute.String("handler", r.route), attribute.String("method", r.method))
		})
		checkRequests(t, scopes, requests)
		checkSizes(t, scopes, "http_response_size", requests, func(r request) int64 { return r.sent })
		checkSizes(t, scopes, "http_request_size", requests, func(r request) int64 { return r.received })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func checkDurations(t *testing.T, scopes []metricdata.ScopeMetrics, name string, requests []request, bounds []float64, of func(request) attribute.Set) {
	t.Helper()
	want := map[string][]float64{}
	for _, r := range requests {
		want[encoded(of(r))] = append(want[encoded(of(r))], r.seconds)
	}
	points := as[metricdata.Histogram[float64]](t, scopes, name).DataPoints
	if len(points) != len(want) {
		t.Errorf("%s has %d series, want %d", name, len(points), len(want))
	}
	for _, p := range points {
		values := want[encoded(p.Attributes)]
		var sum float64
		for _, v := range values {
			sum += v
		}
		if p.Count != uint64(len(values)) || p.Sum-sum > 1e-9 || sum-p.Sum > 1e-9 || p.StartTime.IsZero() || p.Time.IsZero() {
			t.Errorf("%s{%s} is %+v, want %d with sum %g", name, encoded(p.Attributes), p, len(values), sum)
		}
		if !slices.Equal(p.Bounds, bounds) || !slices.Equal(p.BucketCounts, histogramOf(bounds, values)) {
			t.Errorf("%s{%s} has buckets %v %v, want %v %v", name, encoded(p.Attributes), p.Bounds, p.BucketCounts, bounds, histogramOf(bounds, values))
		}
	}
}

func checkRequests(t *testing.T, scopes []metricdata.ScopeMetrics, requests []request) {
	t.Helper()
	want := map[string]int64{}
	for _, r := range requests {
		status := fmt.Sprint(r.status)
		if r.status == 0 {
			status = "none"
		}
		set := attribute.NewSet(attribute.String("handler", r.route), attribute.String("method", r.method), attribute.String("status", status))
		want[encoded(set)]++
	}
	sum := as[metricdata.Sum[int64]](t, scopes, "http_requests")
	if !sum.IsMonotonic || sum.Temporality != metricdata.CumulativeTemporality || len(sum.DataPoints) != len(want) {
		t.Errorf("the requests are %+v, want a cumulative counter with %d series", sum, len(want))
	}
	for _, p := range sum.DataPoints {
		if p.Value != want[encoded(p.Attributes)] {
			t.Errorf("http_requests{%s} is %d, want %d", encoded(p.Attributes), p.Value, want[encoded(p.Attributes)])
		}
	}
}

func checkSizes(t *testing.T, scopes []metricdata.ScopeMetrics, name string, requests []request, of func(request) int64) {
	t.Helper()
	type size struct {
		count uint64
		sum   float64
	}
	want := map[string]size{}
	for _, r := range requests {
		s := want[r.route]
		want[r.route] = size{s.count + 1, s.sum + float64(of(r))}
	}
	points := as[metricdata.Summary](t, scopes, name).DataPoints
	if len(points) != len(want) {
		t.Errorf("%s has %d handlers, want %d", name, len(points), len(want))
	}
	for _, p := range points {
		if got := (size{p.Count, p.Sum}); got != want[label(p.Attributes, "handler")] || p.Attributes.Len() != 1 || len(p.QuantileValues) > 0 {
			t.Errorf("%s{%s} is %+v, want %+v and no quantiles", name, encoded(p.Attributes), got, want[label(p.Attributes, "handler")])
		}
	}
}
