package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/internal/given"
)

// storeSeat is a place in a store, without a registry in between. Its methods are called one at a time.
type storeSeat struct {
	url   string
	open  openStore
	store discovery.Store // nil until it is open
}

func (p *storeSeat) sign(ctx context.Context, t discovery.Target, generation uint64) (listed uint64, err error) {
	defer func() {
		if v := recover(); v != nil { // it is the application's code, and the rest goes on
			err = p.hidden(fmt.Errorf("discovery: the store panicked: %v", v))
		}
	}()
	if p.store == nil {
		store, err := p.open(ctx, p.url)
		if err != nil {
			return 0, p.hidden(err)
		}
		if given.Nothing(store) {
			return 0, errors.New("discovery: the function of WithDiscoveryStore returned neither a store nor an error")
		}
		p.store = store
	}
	if generation != 0 {
		err := p.store.Refresh(ctx, t.Key(), generation)
		if err == nil || !errors.Is(err, discovery.ErrNotRegistered) {
			return generation, p.hidden(err)
		}
	}
	listed, err = p.store.Put(ctx, t, true)
	return listed, p.hidden(err)
}

func (p *storeSeat) leave(ctx context.Context, key discovery.Key, generation uint64) error {
	return p.hidden(p.store.Remove(ctx, key, generation, discovery.Removed))
}

func (p *storeSeat) close(ctx context.Context) error {
	switch store := p.store.(type) {
	case interface{ Close(context.Context) error }:
		return p.hidden(store.Close(ctx))
	case io.Closer:
		return p.hidden(store.Close())
	}
	return nil
}

// hidden is err without the user and the password of the URL, which whoever opens it may repeat.
func (p *storeSeat) hidden(err error) error {
	if err == nil {
		return nil
	}
	_, rest, _ := strings.Cut(p.url, "://")
	authority, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(authority, "@")
	if at < 0 {
		return err
	}
	_, password, _ := strings.Cut(authority[:at], ":")
	text := err.Error()
	for _, secret := range []string{p.url, authority[:at], password} {
		text = hideIn(text, secret)
		if decoded, err := url.PathUnescape(secret); err == nil {
			text = hideIn(text, decoded)
		}
	}
	return &hiddenError{text, err}
}

func hideIn(text, secret string) string {
	if secret == "" {
		return text
	}
	return strings.ReplaceAll(text, secret, notShown)
}

// hiddenError says less than the error that it is.
type hiddenError struct {
	text string
	err  error
}

func (e *hiddenError) Error() string { return e.text }
func (e *hiddenError) Unwrap() error { return e.err }
