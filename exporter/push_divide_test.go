package exporter_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/codes"

	"github.com/duotel/duotel/exporter"
)

// refusal is how a backend refuses a request for what is in it.
type refusal struct {
	http int
	grpc codes.Code
}

var refusals = []refusal{{400, codes.InvalidArgument}, {422, codes.FailedPrecondition}, {500, codes.Internal}, {500, codes.Unknown}}

// poisoned refuses every request that has one of these metrics in it, whatever else it has.
func (b *backend) poisoned(how refusal, metrics ...string) {
	b.judgeBy(func(a arrival) (httpAnswer, grpcReply) {
		for _, name := range a.names() {
			if slices.Contains(metrics, name) {
				return respond(how.http, "text/plain", "cannot take that"), refuse(how.grpc, "cannot take that")
			}
		}
		return nil, nil
	})
}

// many produces gauges m0 to mn-1, all at once.
func many(n int) []sdkmetric.Producer {
	return []sdkmetric.Producer{produce(func(context.Context) ([]metricdata.ScopeMetrics, error) {
		var out []metricdata.Metrics
		for i := range n {
			points := []metricdata.DataPoint[int64]{{Time: time.Now(), Value: 1}}
			out = append(out, metricdata.Metrics{Name: fmt.Sprint("m", i), Data: metricdata.Gauge[int64]{DataPoints: points}})
		}
		return []metricdata.ScopeMetrics{{Metrics: out}}, nil
	})}
}

// F30: what the backend refuses, push after push, is found and set aside, and everything else goes in the same push.
func TestPushSetsAsideWhatIsRefused(t *testing.T) {
	for _, how := range refusals {
		for _, batch := range []int{0, 7, 1} {
			for _, bad := range [][]string{{"m37"}, {"m0"}, {"m99"}, {"m0", "m49", "m50", "m51", "m99"}} {
				for _, protocol := range protocols {
					bubble(t, fmt.Sprint(how.http, how.grpc, batch, len(bad), bad[0], protocol), func(t *testing.T) {
						b := newBackend(t)
						p, log := newPush(t, b.to(protocol, exporter.PushConfig{Producers: many(100), MaxExportBatchSize: batch}))
						if err := p.ForceFlush(t.Context()); err != nil {
							t.Fatal(err)
						}
						b.poisoned(how, bad...)
						for range 2 {
							if err := p.ForceFlush(t.Context()); err == nil {
								t.Fatal("the refusal was not reported")
							}
						}
						before := b.acceptedNames()
						if err := p.ForceFlush(t.Context()); err != nil {
							t.Errorf("the third push: %v", err)
						}
						after := b.acceptedNames()
						for i := range 100 {
							name := fmt.Sprint("m", i)
							want := before[name] + 1
							if slices.Contains(bad, name) {
								want = 1
							}
							if after[name] != want {
								t.Errorf("%s arrived %d times, want %d", name, after[name], want)
							}
						}
						s := p.Stats()
						if s.State != exporter.PushHealthy || s.SeriesSetAside != int64(len(bad)) || s.PointsSetAside != int64(len(bad)) || s.PointsLost != int64(len(bad)) {
							t.Errorf("%+v", s)
						}
						if len(s.SetAside) != len(bad) || !strings.Contains(s.SetAside[0], bad[0]) || log.count("set aside") != len(bad) {
							t.Errorf("%q\n%s", s.SetAside, log)
						}
						requests := s.Requests
						if err := p.ForceFlush(t.Context()); err != nil {
							t.Error(err)
						}
						if want := int64(1); batch == 0 && p.Stats().Requests != requests+want {
							t.Errorf("%d requests for a push of what is left, want %d", p.Stats().Requests-requests, want)
						}
					})
				}
			}
		}
	}
}

// F30: a backend that refuses everything says nothing about a point. Nothing is set aside, it is not asked a hundred
// questions, and everything goes when it is well again.
func TestPushTellsABackendThatRefusesEverything(t *testing.T) {
	for _, how := range refusals {
		everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
			p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Producers: many(1000), MaxExportBatchSize: 100}))
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.script(respond(how.http, "", ""), refuse(how.grpc, ""))
			for range 10 {
				before := p.Stats().Requests
				if err := p.ForceFlush(t.Context()); err == nil {
					t.Fatal("the refusal was not reported")
				}
				if n := p.Stats().Requests - before; n > 10+6 {
					t.Errorf("%d requests in a push, want one for each batch and a few", n)
				}
			}
			b.script(nil, nil)
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Error(err)
			}
			if s := p.Stats(); s.SeriesSetAside != 0 || s.PointsLost != 0 || s.State != exporter.PushHealthy {
				t.Errorf("%+v", s)
			}
		})
	}
}

// F30: a server that has a bad moment is not divided for.
func TestPushDoesNotDivideForABadMoment(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Producers: many(100)}))
		for range 5 {
			b.poisoned(refusal{500, codes.Internal}, "m37")
			for range 2 {
				_ = p.ForceFlush(t.Context())
			}
			b.script(nil, nil)
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if s := p.Stats(); s.Requests != 15 || s.SeriesSetAside != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// counting produces counters m0 to mn-1 whose values grow by one with every collection.
func counting(n int) sdkmetric.Producer {
	start, value := time.Now(), int64(0)
	return produce(func(context.Context) ([]metricdata.ScopeMetrics, error) {
		value++
		var out []metricdata.Metrics
		for i := range n {
			points := []metricdata.DataPoint[int64]{{Attributes: attribute.NewSet(attribute.Int("id", i)), StartTime: start, Time: time.Now(), Value: value}}
			out = append(out, metricdata.Metrics{Name: fmt.Sprint("m", i), Data: metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: points}})
		}
		return []metricdata.ScopeMetrics{{Metrics: out}}, nil
	})
}

// sum is what of a counter arrived and was accepted.
func (b *backend) sum(metric string) (n int64) {
	for _, a := range b.all() {
		for _, m := range a.metrics() {
			if m.GetName() == metric && a.accepted {
				for _, p := range m.GetSum().GetDataPoints() {
					n += p.GetAsInt()
				}
			}
		}
	}
	return n
}

// F30: under delta every other count arrives once, also those of the pushes that were refused.
func TestPushSetsAsideUnderDelta(t *testing.T) {
	for _, batch := range []int{0, 3} {
		everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
			p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Producers: []sdkmetric.Producer{counting(20)}, Temporality: exporter.TemporalityDelta, MaxExportBatchSize: batch}))
			b.poisoned(refusal{500, codes.Unknown}, "m7", "m19")
			for range 8 {
				_ = p.ForceFlush(t.Context())
			}
			if err := p.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			for i := range 20 {
				name, want := fmt.Sprint("m", i), int64(9)
				if i == 7 || i == 19 {
					want = 0
				}
				if got := b.sum(name); got != want {
					t.Errorf("%s: %d arrived, want %d", name, got, want)
				}
			}
			if s := p.Stats(); s.SeriesSetAside != 2 || s.PointsLost != s.PointsSetAside || s.PointsLost == 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// F30: what is refused in the spool is divided as well. The rest of its request arrives, and what is newer does not wait for it.
func TestPushDividesARefusedRequestOfTheSpool(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		dir := t.TempDir()
		first, _ := newPush(t, b.to(protocol, exporter.PushConfig{Producers: []sdkmetric.Producer{counting(20)}, Temporality: exporter.TemporalityDelta, SpoolDir: dir}))
		b.poisoned(refusal{400, codes.InvalidArgument}, "m7")
		if err := first.Shutdown(t.Context()); err == nil || first.Stats().PointsSpooled != 20 {
			t.Fatalf("%v, %+v", err, first.Stats())
		}
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Producers: gauges(3), SpoolDir: dir}))
		for range 4 {
			_ = p.ForceFlush(t.Context())
		}
		for i := range 20 {
			want := int64(1)
			if i == 7 {
				want = 0
			}
			if got := b.sum(fmt.Sprint("m", i)); got != want {
				t.Errorf("m%d: %d arrived, want %d", i, got, want)
			}
		}
		if s := p.Stats(); s.SpoolRequests != 0 || s.PointsReplayed != 19 || s.PointsLost != 1 || s.PointsSetAside != 1 || s.PointsSent < 3*3+19 {
			t.Errorf("%+v", s)
		}
	})
}

// F30: what can be set aside, and what a push asks for it, has bounds.
func TestPushSetsAsideWithinBounds(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Producers: many(1300)}))
		var bad []string
		for i := range 1100 {
			bad = append(bad, fmt.Sprint("m", 200+i))
		}
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.poisoned(refusal{400, codes.InvalidArgument}, bad...)
		for range 8 {
			before := p.Stats().Requests
			_ = p.ForceFlush(t.Context())
			if n := p.Stats().Requests - before; n > 1000 {
				t.Fatalf("%d requests in one push", n)
			}
		}
		s := p.Stats()
		if s.SeriesSetAside > 1000 || len(s.SetAside) != 20 {
			t.Errorf("%d set aside, %d named", s.SeriesSetAside, len(s.SetAside))
		}
		if names := b.acceptedNames(); names["m0"] < 2 || names["m199"] < 2 {
			t.Error("what is not refused did not arrive")
		}
	})
}
