package sd

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/discovery/etcd"
)

// storeForms are the values of -store.
const storeForms = "memory, file:PATH for memory with a copy in a file that a restart begins with, or etcd://host:2379,host2:2379/prefix (etcds:// for TLS)"

// isEtcd says whether a value of -store means etcd. The value is not shown then: people put passwords into URLs.
func isEtcd(text string) bool {
	return strings.HasPrefix(text, "etcd://") || strings.HasPrefix(text, "etcds://")
}

// store is what -store names, opened.
type store interface {
	discovery.Store
	Close(context.Context) error
}

// checkStore returns why text names no store. It opens nothing.
func checkStore(text string, flags etcdFlags) error {
	path, isFile := strings.CutPrefix(text, "file:")
	switch {
	case isEtcd(text):
		_, err := flags.config()
		return err
	case flags != etcdFlags{}:
		return fmt.Errorf("-store=%q: has a user, a password or certificates, and only etcd takes these; -store etcds://host:2379/prefix", text)
	case text == "memory":
		return nil
	case !isFile || path == "":
		return fmt.Errorf("-store=%q: is not a store; %s", text, storeForms)
	}
	directory := filepath.Dir(path)
	if info, err := os.Stat(directory); err != nil {
		return fmt.Errorf("-store=%q: the file could not be written: %w; a path in a directory that exists", text, err)
	} else if !info.IsDir() {
		return fmt.Errorf("-store=%q: the file could not be written: %s is not a directory; a path in a directory that exists", text, directory)
	}
	return nil
}

// openStore opens what text names, which [checkStore] has found to be right.
func openStore(text string, flags etcdFlags, logger *slog.Logger) (store, error) {
	if isEtcd(text) {
		cfg, err := flags.config()
		if err != nil {
			return nil, err
		}
		cfg.Logger = logger
		opened, err := etcd.Open(text, cfg)
		if err != nil {
			return nil, fmt.Errorf("-store: %w", err)
		}
		return opened, nil
	}
	path, isFile := strings.CutPrefix(text, "file:")
	if !isFile {
		return discovery.NewMemory(), nil
	}
	opened, err := discovery.OpenMemory(path, reporter(logger))
	if err != nil {
		return nil, fmt.Errorf("-store=%q: %w; a file that an earlier run has written, or none", text, err)
	}
	return opened, nil
}

// reportAgain is how long the same failure is not logged again. A file that cannot be written fails every second.
const reportAgain = time.Minute

// reporter returns a function that logs failures of the snapshot file.
func reporter(logger *slog.Logger) func(error) {
	var mu sync.Mutex
	var last time.Time
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(last) >= reportAgain {
			last = time.Now()
			logger.Warn("sd: the copy of the targets cannot be written: a restart would begin with an older one", "error", err)
		}
	}
}
