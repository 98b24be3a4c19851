//go:build !race

package middleware_test

const attackRequests = 100_000

// poolAllocs is what a request allocates because its recorder is not where it was.
const poolAllocs = 0
