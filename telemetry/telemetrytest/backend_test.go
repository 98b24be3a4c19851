package telemetrytest_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

func TestRequestIsRecorded(t *testing.T) {
	paths := map[exporter.Protocol]string{
		exporter.ProtocolHTTPProtobuf: "/v1/metrics",
		exporter.ProtocolGRPC:         "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
	}
	forEachProtocol(t, func(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter) {
		before := time.Now()
		customers := strings.Fields(strings.Repeat("a b c d e f g h ", 50))
		if err := e.Export(t.Context(), orders(metricdata.DeltaTemporality, customers...)); err != nil {
			t.Fatal(err)
		}
		r := b.Requests()[0]
		if got := r.Header.Get("X-Dataset"); got != "demo" {
			t.Errorf("header X-Dataset = %q; all: %v", got, r.Header)
		}
		if r.Path != paths[r.Protocol] {
			t.Errorf("path = %q; want %q", r.Path, paths[r.Protocol])
		}
		if r.Encoding != "gzip" || r.WireBytes <= 0 || r.WireBytes >= r.Bytes {
			t.Errorf("encoding %q, %d bytes of %d on the wire; want gzip and fewer", r.Encoding, r.WireBytes, r.Bytes)
		}
		if r.Points != len(customers) || len(r.Message.GetResourceMetrics()) != 1 {
			t.Errorf("%d points; want %d; message: %v", r.Points, len(customers), r.Message)
		}
		if r.Received.Before(before) || r.Received.After(time.Now()) {
			t.Errorf("received %v; want between %v and now", r.Received, before)
		}
	})
}

func TestDownRefusesAndUpComesBackOnSamePort(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter) {
		data := orders(metricdata.DeltaTemporality, "ann")
		httpEndpoint, grpcEndpoint := b.HTTPEndpoint(), b.GRPCEndpoint()
		if err := e.Export(t.Context(), data); err != nil {
			t.Fatal(err)
		}
		b.Down()
		b.Down()
		newExporter := protocols[b.Requests()[0].Protocol]
		// New exporters, because the old one may first have to find out that its connection is gone, and
		// because a gRPC connection backs off for a second after a refusal.
		checkError(t, newExporter(t, b).Export(t.Context(), data), "refused")
		if err := errors.Join(b.Up(), b.Up()); err != nil {
			t.Fatal(err)
		}
		if b.HTTPEndpoint() != httpEndpoint || b.GRPCEndpoint() != grpcEndpoint {
			t.Errorf("endpoints moved to %s and %s", b.HTTPEndpoint(), b.GRPCEndpoint())
		}
		checkError(t, newExporter(t, b).Export(t.Context(), data), "")
		if got := b.Sum("orders.placed", nil); got != 2 {
			t.Errorf("sum = %v; want 2, with what came before Down", got)
		}
	})
}

func TestClosedBackend(t *testing.T) {
	b, err := telemetrytest.StartBackend()
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() { waited <- b.WaitFor(context.Background(), 1) }()
	b.Close()
	b.Close()
	if err := <-waited; err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("wait = %v; want that the backend was closed", err)
	}
	if err := b.Up(); err == nil {
		t.Error("up after close succeeded")
	}
}

func TestWaitSaysWhatArrived(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter) {
		b.Script(telemetrytest.Status(401))
		_ = e.Export(t.Context(), orders(metricdata.DeltaTemporality, "ann", "bob"))
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("patience is over"))
		err := b.WaitFor(ctx, 2)
		for _, want := range []string{"patience is over", "1 requests arrived", "2 points: status 401"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("wait = %v; want %q in it", err, want)
			}
		}
		if err := b.Wait(ctx, func(rs []telemetrytest.Request) bool { return len(rs) == 1 }); err != nil {
			t.Errorf("wait for what is already there = %v", err)
		}
	})
}

func TestKeepBoundsRequestsAndNotTotals(t *testing.T) {
	b := telemetrytest.NewBackend(t, telemetrytest.WithKeep(2))
	e := newHTTPExporter(t, b)
	for range 5 {
		if err := e.Export(t.Context(), orders(metricdata.DeltaTemporality, "ann")); err != nil {
			t.Fatal(err)
		}
	}
	requests := b.Requests()
	if len(requests) != 2 || requests[0].Seq != 4 || requests[1].Seq != 5 {
		t.Errorf("kept %d requests; want the last two", len(requests))
	}
	if got, want := b.Counts(), (telemetrytest.Counts{Requests: 5, Accepted: 5, Points: 5}); got != want {
		t.Errorf("counts = %+v; want %+v", got, want)
	}
	if got := b.Sum("orders.placed", nil); got != 5 {
		t.Errorf("sum = %v; want 5", got)
	}
	if err := b.WaitFor(t.Context(), 5); err != nil {
		t.Error(err)
	}
}

func TestBackendConcurrentSafe(t *testing.T) {
	b := telemetrytest.NewBackend(t, telemetrytest.WithKeep(3))
	const senders, each = 4, 10
	var wg sync.WaitGroup
	for protocol, newExporter := range protocols {
		for range senders {
			e := newExporter(t, b)
			wg.Go(func() {
				for range each {
					if err := e.Export(t.Context(), orders(metricdata.DeltaTemporality, string(protocol))); err != nil {
						t.Error(err)
					}
					b.Series()
				}
			})
		}
	}
	if err := b.WaitFor(t.Context(), 2*senders*each); err != nil {
		t.Error(err)
	}
	wg.Wait()
	for protocol := range protocols {
		if got := b.Sum("orders.placed", map[string]string{"customer": string(protocol)}); got != senders*each {
			t.Errorf("%s: sum = %v; want %d", protocol, got, senders*each)
		}
	}
}

func TestBackendRefusesByContent(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter) {
		b.RefuseContent(telemetrytest.Status(422), func(r telemetrytest.Request) bool { return r.HasMetric("other", "orders.placed") })
		if err := e.Export(t.Context(), orders(metricdata.DeltaTemporality, "a")); err == nil || b.Counts().Accepted != 0 {
			t.Errorf("%v; want the refusal", err)
		}
		b.RefuseContent(telemetrytest.Status(422), func(r telemetrytest.Request) bool { return r.HasMetric("other") })
		if err := e.Export(t.Context(), orders(metricdata.DeltaTemporality, "a")); err != nil {
			t.Error(err)
		}
		b.RefuseContent(telemetrytest.Answer{}, nil)
		if err := e.Export(t.Context(), orders(metricdata.DeltaTemporality, "a")); err != nil || b.Counts().Accepted != 2 {
			t.Errorf("%v; want it accepted", err)
		}
	})
}
