package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/middleware"
)

func Example() {
	reader := sdkmetric.NewManualReader()
	m, err := middleware.New(middleware.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "item ", r.PathValue("id"))
	})
	handler := m.Handler(mux)
	for _, path := range []string{"/items/1", "/items/2", "/wp-login.php"} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}

	var rm metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &rm); err != nil {
		fmt.Println(err)
		return
	}
	for _, metric := range rm.ScopeMetrics[0].Metrics {
		if h, ok := metric.Data.(metricdata.Histogram[int64]); ok && metric.Name == "http.server.response.body.size" {
			for _, p := range h.DataPoints {
				route, _ := p.Attributes.Value("http.route")
				status, _ := p.Attributes.Value("http.response.status_code")
				fmt.Println(route.AsString(), status.AsInt64(), p.Count, "requests", p.Sum, "bytes")
			}
		}
	}
	// Unordered output:
	// /items/{id} 200 2 requests 12 bytes
	// unmatched 404 1 requests 19 bytes
}
