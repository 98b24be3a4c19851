package middleware

import "syscall"

// Plan 9 has texts where other systems have numbers.
const (
	errRefused  = syscall.ErrorString("connection refused")
	errReset    = syscall.ErrorString("connection reset")
	errPipe     = syscall.ErrorString("i/o on hungup channel")
	errTimedOut = syscall.ErrorString("connection timed out")
)
