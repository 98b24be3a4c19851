// Package service simulates a service that is linked with Duotel: its recorders, its backend over HTTP and gRPC, those who scrape it,
// the disk under its spool, and its process, which stops, crashes and starts again.
//
// Read it in this order:
//
//	plan_test.go      what a seed draws: which faults, how often, for how long
//	world_test.go     the timeline of a world, from the first start to the last look
//	model_test.go     the truth, and the laws that are held against it
//	process_test.go   one life of a process: start, work, end
//	app_test.go       what the service measures, and how its callbacks misbehave
//	backend_test.go   a receiver of OTLP, whose every answer is drawn
//	network_test.go   connections that are refused, cut, slowed down and forgotten
//	page_test.go      those who scrape, and how they read
//	disk_test.go      a disk that is full, read-only, gone, torn or shared
//	story_test.go     what a world tells when a law broke
//	seeds_test.go     the seeds that are run, and how a failing one is made short
package service
