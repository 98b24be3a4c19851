//go:build !plan9

package middleware

import "syscall"

// What an operating system says of a connection.
const (
	errRefused  = syscall.ECONNREFUSED
	errReset    = syscall.ECONNRESET
	errPipe     = syscall.EPIPE
	errTimedOut = syscall.ETIMEDOUT
)
