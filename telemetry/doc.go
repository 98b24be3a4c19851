// Package telemetry is Duotel's front door: one MeterProvider whose metrics leave twice, pulled by
// Prometheus from /metrics and pushed over OTLP.
//
//	sdk, err := telemetry.Start(ctx)
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer sdk.Shutdown(context.Background())
//
//	mux := http.NewServeMux()
//	mux.HandleFunc("GET /items/{id}", getItem)
//	sdk.Mount(mux) // GET /metrics
//	http.ListenAndServe(":8080", sdk.Middleware(mux))
//
// OTEL_EXPORTER_OTLP_METRICS_ENDPOINT turns push on. docs/configuration.md lists every variable.
//
// # What it is made of
//
//	app code · middleware ──► SDK.MeterProvider        client_golang registries
//	                               │ guard: callbacks that cannot fail a collection     │
//	                          the SDK's aggregation, once                               │
//	                               │                                                    │
//	                         exporter.Source ◄── one collection, shared                 │
//	                          ┌────┴─────────────────────────┬──────────────────────────┘
//	                    exporter.Pull                  exporter.Push
//	                    /metrics                       OTLP over HTTP or gRPC
//
// There is one reader, so that a series is held in memory once and a measurement is aggregated once,
// whatever the number of exits. The push exit has a second provider for what only it shows: the Go
// runtime's metrics under their semantic conventions (go.*), where the pull exit has client_golang's
// (go_*, process_*).
//
// # Lifecycle
//
// [New] validates everything before it acquires anything and touches no global; [Start] reads the
// environment and sets the globals; [Run] does so around a job and pushes at its end. [SDK.Shutdown]
// pushes a last time and keeps its deadline whatever hangs; after it a scrape is answered 503, because
// an empty 200 would say that every series has vanished. With DUOTEL_DISCOVERY the process is in the list that Prometheus reads
// from when the page answers until just before.
//
// # Failure
//
// A callback, collector, registry or backend that fails or panics costs its own data and no one
// else's. While a callback hangs, scrapes are answered 503 within their time, and a push goes without
// the application's metrics. Each failure is reported when it begins, every time it begins ([WithErrorHandler]), counted in the
// library's own metrics at both exits, and shown by [SDK.Status].
//
// Mistakes in the program are found at the start: an option that is given nil is an error of [New], because an authorizer or a
// filter that is left out unnoticed admits everything. [SDK.Middleware] returns a handler only, and panics.
//
// # What it is not
//
// It configures no traces and no logs: [WithTracerProvider] takes a tracer provider that the
// application owns. It is no collector: nothing is received, sampled or relabelled.
package telemetry
