//go:build !race

package middleware_test

const attackRequests = 100_000
