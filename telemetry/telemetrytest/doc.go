// Package telemetrytest tests what a service measures, and what its telemetry does when the backend
// misbehaves.
//
// [New] gives a test an SDK of its own, which touches no global and is shut down when the test ends:
//
//	kit := telemetrytest.New(t)
//	handler := kit.SDK.Middleware(myHandler)
//	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/items/1", nil))
//	telemetrytest.AssertSeries(t, kit, "http_server_request_duration_seconds_count",
//		map[string]string{"http_response_status_code": "200"}, 1)
//
// [NewBackend] gives it an OTLP metrics backend on loopback that speaks HTTP and gRPC, records what
// arrives and answers as its script says:
//
//	backend := telemetrytest.NewBackend(t)
//	backend.Script(telemetrytest.Status(503), telemetrytest.Reset()) // then Accept, for ever
//	... push to backend.HTTPEndpoint() ...
//	err := backend.WaitFor(ctx, 3)
//	total := backend.Sum("orders.placed", nil)
//
// [StartBackend] is the same backend outside tests: a demonstration, a load test, a manual check.
//
// The backend is not a store: it keeps the last state of every series and, unless [WithKeep] says
// otherwise, every request it received. Do not expose it to a network.
package telemetrytest
