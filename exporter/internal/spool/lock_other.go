//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package spool

import (
	"errors"
	"os"
)

// plain is nothing: where files cannot be locked there is no spool, and no request to open.
const plain = 0

func tryLock(*os.File) error { return errors.New("files cannot be locked on this system") }

func syncDir(string) error { return nil }
