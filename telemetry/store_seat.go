package telemetry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/internal/given"
)

// storeSeat is a place in a store, without a registry in between. Its methods are called one at a time.
type storeSeat struct {
	at           discovery.StoreConfig
	passwordFile string             // read when the store is opened
	security     func() *tls.Config // what the files of TLS say now; nil without any
	open         openStore

	store discovery.Store   // nil until it is open
	old   []discovery.Store // that was opened with other files, until the new one has the process
}

func newStoreSeat(c DiscoveryConfig, s *SDK) (*storeSeat, error) {
	p := &storeSeat{
		at:           discovery.StoreConfig{URL: c.URL, Username: c.Username},
		passwordFile: c.PasswordFile, open: s.opts.store(c.scheme()),
	}
	files := c.client()
	if files.Certificate == "" && files.ClientCertificate == "" {
		return p, nil
	}
	security, err := openReread(s.opts.logger, "a certificate or key of discovery", files.tlsConfig, files.tlsFiles()...)
	if err != nil {
		return nil, fmt.Errorf("config: Discovery: %w", err)
	}
	p.security = security.get
	return p, nil
}

// renew has the store opened anew when the files of TLS say something else than when it was opened.
func (p *storeSeat) renew() (renewed bool) {
	if p.security == nil {
		return false
	}
	before := p.at.TLS
	if p.at.TLS = p.security(); p.store == nil || p.at.TLS == before {
		return false
	}
	p.store, p.old = nil, append(p.old, p.store)
	return true
}

// enter opens the store.
func (p *storeSeat) enter(ctx context.Context) error {
	if p.passwordFile != "" {
		password, err := readPassword(p.passwordFile)
		if err != nil {
			return fmt.Errorf("discovery: %w", err)
		}
		p.at.Password = discovery.NewSecret(password)
	}
	store, err := p.open(ctx, p.at)
	if err != nil {
		return p.hidden(err)
	}
	if given.Nothing(store) {
		return errors.New("discovery: the function of WithDiscoveryStore returned neither a store nor an error")
	}
	p.store = store
	return nil
}

func (p *storeSeat) sign(ctx context.Context, t discovery.Target, generation uint64) (listed uint64, err error) {
	defer func() {
		if v := recover(); v != nil { // it is the application's code, and the rest goes on
			err = p.hidden(fmt.Errorf("discovery: the store panicked: %v", v))
		}
	}()
	if p.renew() {
		generation = 0
	}
	if p.store == nil {
		if err := p.enter(ctx); err != nil {
			return 0, err
		}
	}
	if generation != 0 {
		err := p.store.Refresh(ctx, t.Key(), generation)
		if err == nil || !errors.Is(err, discovery.ErrNotRegistered) {
			return generation, p.hidden(err)
		}
	}
	if listed, err = p.store.Put(ctx, t, true); err != nil {
		return listed, p.hidden(err)
	}
	for _, old := range p.old { // which no longer holds the process, and takes nothing with it
		_ = closeStore(ctx, old)
	}
	p.old = nil
	return listed, nil
}

func (p *storeSeat) leave(ctx context.Context, key discovery.Key, generation uint64) error {
	store := p.store
	if store == nil { // it is being opened anew; the old one still holds the process
		store = p.old[len(p.old)-1]
	}
	return p.hidden(store.Remove(ctx, key, generation, discovery.Removed))
}

func (p *storeSeat) close(ctx context.Context) error {
	var errs []error
	for _, store := range append(p.old, p.store) {
		errs = append(errs, p.hidden(closeStore(ctx, store)))
	}
	return errors.Join(errs...)
}

func closeStore(ctx context.Context, store discovery.Store) error {
	switch store := store.(type) {
	case interface{ Close(context.Context) error }:
		return store.Close(ctx)
	case io.Closer:
		return store.Close()
	}
	return nil
}

// hidden is err without the password, which whoever opens the store may repeat.
func (p *storeSeat) hidden(err error) error {
	secret := p.at.Password.Reveal()
	if err == nil || secret == "" || !strings.Contains(err.Error(), secret) {
		return err
	}
	return &hiddenError{strings.ReplaceAll(err.Error(), secret, notShown), err}
}

// hiddenError says less than the error that it is.
type hiddenError struct {
	text string
	err  error
}

func (e *hiddenError) Error() string { return e.text }
func (e *hiddenError) Unwrap() error { return e.err }
