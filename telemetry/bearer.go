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

	"github.com/duotel/duotel/exporter"
)

// BearerTokenFile returns an authorizer for [WithAuthorizer] that admits scrapes whose Authorization
// header is "Bearer" and the token in file, surrounding white space left out. The file is read at every
// scrape, so a token can be replaced while the process runs; while it cannot be read, or is
// empty, every scrape is refused. The comparison takes the same time whatever the header says, and
// the token is never printed. BearerTokenFile returns an error when file holds no token now.
func BearerTokenFile(file string) (exporter.Authorizer, error) {
	t := &tokenFile{path: file}
	if _, err := t.sum(); err != nil {
		return nil, fmt.Errorf("bearer token: %w", err)
	}
	return t.authorize, nil
}

// tokenFile is read at every scrape: its size and time do not tell for certain that it is the same.
type tokenFile struct{ path string }

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

// sum returns the hash of the token.
func (t *tokenFile) sum() (hash [sha256.Size]byte, err error) {
	text, err := os.ReadFile(t.path)
	if err != nil {
		return hash, err
	}
	token := bytes.TrimSpace(text)
	if len(token) == 0 {
		return hash, errors.New(t.path + ": is empty; one line with the token")
	}
	return sha256.Sum256(token), nil
}
