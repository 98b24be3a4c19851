// Package exporter has the wires: one end of one wire per file. It knows no metric by name, reads no
// environment and opens no listener; package telemetry composes it.
//
// [Source] owns the one reader of a MeterProvider. What it collects is cumulative and shared: scrapes
// and pushes that ask at the same time get one collection, read-only, counted by its users.
//
// [Pull] is the handler of /metrics: the Source and client_golang registries in one answer.
//
// [Push] sends OTLP at an interval from a PeriodicReader on a provider without instruments, whose only
// data comes from producers: the Source's, and [NewBridge] for client_golang registries.
//
// [Console] writes the same to a writer.
//
// Nobody holds a lock across a callback or a network write. What hangs is waited for by one goroutine
// and until the asker's deadline; a failure is an error for one handler and a number in Stats, never
// the end of the other data.
package exporter
