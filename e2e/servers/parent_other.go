//go:build !linux

package servers

import "syscall"

// dieWithParent has no equivalent here: a server outlives a test binary that was killed.
func dieWithParent() *syscall.SysProcAttr { return nil }
