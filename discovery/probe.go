package discovery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Probe asks targets whether their page answers. A target is unhealthy after two failures in a row and healthy again
// after one success. Redirects are not followed, and only addresses that [Config].Addresses allows are dialled.
type Probe struct {
	// Interval is the time between two probes of a target. Default 15 s.
	Interval time.Duration
	// Timeout bounds one probe. Default 5 s.
	Timeout time.Duration
	// Concurrency is the most probes at once. Default 16.
	Concurrency int
	// TLS is used for https targets. Default: the system's authorities, no client certificate.
	TLS *tls.Config
}

const (
	failuresUntilUnhealthy = 2
	probeBodyBytes         = 64 << 10 // enough to see that it answers
)

func (p *Probe) validate() error {
	if p == nil {
		return nil
	}
	var errs []error
	if p.Interval < 0 {
		errs = append(errs, invalid("Probe.Interval", p.Interval.String(), "is negative", "zero for 15s, or more"))
	}
	if p.Timeout < 0 {
		errs = append(errs, invalid("Probe.Timeout", p.Timeout.String(), "is negative", "zero for 5s, or more"))
	}
	if p.Concurrency < 0 {
		errs = append(errs, invalid("Probe.Concurrency", fmt.Sprint(p.Concurrency), "is negative", "zero for 16, or more"))
	}
	return errors.Join(errs...)
}

// prober probes targets. The failures of each are counted here; the view is told of changes.
type prober struct {
	Probe
	dialer   *net.Dialer
	client   *http.Client
	failures map[Key]int
	mu       sync.Mutex
}

func newProber(p Probe, policy AddressPolicy) *prober {
	if p.Interval == 0 {
		p.Interval = 15 * time.Second
	}
	if p.Timeout == 0 {
		p.Timeout = 5 * time.Second
	}
	if p.Concurrency == 0 {
		p.Concurrency = 16
	}
	dialer := &net.Dialer{Timeout: p.Timeout, ControlContext: policy.control}
	return &prober{
		Probe:  p,
		dialer: dialer,
		client: &http.Client{
			Timeout:       p.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				Proxy:                  nil, // a proxy would be dialled in the target's place, and unchecked
				DialContext:            dialer.DialContext,
				TLSClientConfig:        p.TLS,
				DisableKeepAlives:      true,
				MaxResponseHeaderBytes: probeBodyBytes,
			},
		},
		failures: map[Key]int{},
	}
}

// probe asks every target once an interval until the registry is closed.
func (r *Registry) probe(p *prober) {
	tick := time.NewTicker(p.Interval)
	defer tick.Stop()
	for {
		list, _, _ := r.view.list()
		p.round(r.ctx, list, r.view.probed)
		select {
		case <-r.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round probes each target of list once.
func (p *prober) round(ctx context.Context, list []Listed, tell func(key Key, generation uint64, failing bool)) {
	var running sync.WaitGroup
	slots := make(chan struct{}, p.Concurrency)
	present := make(map[Key]bool, len(list))
	for _, l := range list {
		present[l.Target.Key()] = true
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			failing, known := p.judge(l.Target.Key(), p.ask(ctx, l.Target))
			if known && ctx.Err() == nil {
				tell(l.Target.Key(), l.Generation, failing)
			}
		})
	}
	running.Wait()
	for key := range p.failures {
		if !present[key] {
			delete(p.failures, key)
		}
	}
}

// judge counts, and says whether key is failing; known is false while one failure alone does not say.
func (p *prober) judge(key Key, err error) (failing, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		delete(p.failures, key)
		return false, true
	}
	p.failures[key] = min(p.failures[key]+1, failuresUntilUnhealthy)
	return true, p.failures[key] >= failuresUntilUnhealthy
}

// ask returns why the target's page does not answer.
func (p *prober) ask(ctx context.Context, t Target) error {
	page := url.URL{Scheme: t.Scheme, Host: t.Address, Path: t.Path, RawQuery: url.Values(t.Params).Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "duotel-discovery")
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, probeBodyBytes))
	// A page that asks for credentials is there, and Prometheus may have them.
	if resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
		return fmt.Errorf("discovery: probe of %s: HTTP %d", t.Key(), resp.StatusCode)
	}
	return err
}
