// Package discovery answers the question that Prometheus asks over HTTP: who is to be scraped?
//
// A [Registry] lists targets. Processes register themselves, or others, in a [Store]; every registry follows
// the store, judges by its own clock who still shows signs of life, and answers from memory:
//
//	process ── Register, Sync ──▶ Registry ──▶ Store ──▶ every Registry that follows it
//	process ── PUT /v1/targets ──▶ Registry.API ─┘                   │ list in memory, encoded once
//	                                                                 ▼
//	                              Prometheus ── GET /sd ──▶ Registry.Handler
//
// This is all that a service needs which creates and deletes routes and wants them scraped:
//
//	registry, err := discovery.New(discovery.Config{})
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer registry.Close(context.Background())
//	mux.Handle("GET /sd", registry.Handler())
//
//	err = registry.Sync(ctx, "circuit-17", []discovery.Target{
//		{ID: "route-1", Address: "10.0.0.7:9464", Labels: map[string]string{"circuit_id": "17"}},
//	})
//
// and what it writes into Prometheus's configuration:
//
//	scrape_configs:
//	  - job_name: circuits
//	    http_sd_configs: [{url: http://registry:8080/sd}]
//
// # What is promised
//
// A list that is wrongly empty makes Prometheus forget a fleet, and one that is refused makes it keep what it has.
// So the answer is "[]" only when it is known that nothing is registered, 503 before the store was read, and
// the last list, with its age, while the store cannot be reached. Nothing expires while nobody could have
// seen a sign of life. Most of a group that falls silent at once is kept for one TTL more and marked
// ([Unknown]). One entry that is broken costs itself.
//
// Every registration has a generation, and who removes or refreshes says which he means, so the late
// farewell of a process does not remove its successor.
//
// # Trust
//
// Prometheus sends a job's credentials to every address that the list names, so give each level of trust a job
// and a registry path of its own. [AddressPolicy] keeps addresses out that lead into the machine or to a
// cloud's metadata; [Grant] says which groups and addresses a client of the API may write.
package discovery
