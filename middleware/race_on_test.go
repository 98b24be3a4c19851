//go:build race

package middleware_test

// attackRequests is less under the race detector, which makes each many times as slow.
const attackRequests = 8_000

// poolAllocs is what a request allocates there, where sync.Pool loses one in four on purpose.
const poolAllocs = 6
