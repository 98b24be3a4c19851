//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package spool

import (
	"errors"
	"os"
)

func tryLock(*os.File) error { return errors.New("spool: files cannot be locked on this system") }

func syncDir(string) error { return nil }
