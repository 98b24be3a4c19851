package telemetry

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/duotel/duotel/exporter"
)

// BearerTokenFile returns an authorizer for [WithAuthorizer] that admits scrapes whose Authorization
// header is "Bearer" and the token in file, surrounding white space left out. The file is read again
// when it changes, so a token can be replaced while the process runs; while it cannot be read, or is
// empty, every scrape is refused. The comparison takes the same time whatever the header says, and
// the token is never printed. BearerTokenFile returns an error when file holds no token now.
func BearerTokenFile(file string) (exporter.Authorizer, error) {
	t := &tokenFile{path: file}
	if _, err := t.sum(); err != nil {
		return nil, fmt.Errorf("bearer token: %w", err)
	}
	return t.authorize, nil
}

// tokenFile remembers the hash of a token until its file changes.
type tokenFile struct {
	path string

	mu       sync.Mutex
	modified time.Time
	size     int64
	hash     [sha256.Size]byte
}

// errNoToken tells the scraper nothing about why: that is for the service's operator.
var errNoToken = fmt.Errorf("a valid bearer token is needed: %w", exporter.ErrUnauthenticated)

func (t *tokenFile) authorize(r *http.Request) (exporter.SeriesFilter, error) {
	want, err := t.sum()
	if err != nil {
		return nil, errNoToken
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !strings.EqualFold(scheme, "Bearer") {
		return nil, errNoToken
	}
	return nil, nil
}

// sum returns the hash of the token, from the file where that has changed.
func (t *tokenFile) sum() ([sha256.Size]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	info, err := os.Stat(t.path)
	if err != nil {
		return t.hash, err
	}
	if info.ModTime().Equal(t.modified) && info.Size() == t.size {
		return t.hash, nil
	}
	text, err := os.ReadFile(t.path)
	if err != nil {
		return t.hash, err
	}
	token := bytes.TrimSpace(text)
	if len(token) == 0 {
		t.modified = time.Time{}
		return t.hash, errors.New(t.path + ": is empty; one line with the token")
	}
	t.hash, t.modified, t.size = sha256.Sum256(token), info.ModTime(), info.Size()
	return t.hash, nil
}
