package discovery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Client registers targets with a registry elsewhere, through its [Registry.API]. It is safe for concurrent use.
type Client struct {
	// URL is where the API is: http or https, with the path before /v1. Required.
	URL *url.URL
	// HTTP makes the requests. Default: a client with a timeout of 10 s that follows no redirect.
	HTTP *http.Client
	// Header returns headers for each request, such as Authorization. Its values are secrets: no log and no
	// error shows them. Default: none.
	Header func() http.Header
	// Logger gets one line per change of state. Default: [slog.Default].
	Logger *slog.Logger
}

// A registration elsewhere shows a sign of life three times in its TTL, so that two may be lost.
const signsPerTTL = 3

const (
	clientTimeout   = 10 * time.Second
	maxAnswerBytes  = 4 << 10
	maxRetryBackoff = 30 * time.Second
)

var defaultClient = &http.Client{
	Timeout:       clientTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Heartbeat is a target that is registered elsewhere and kept alive from here.
type Heartbeat struct {
	client *Client
	target Target
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu         sync.Mutex
	generation string // the ETag of the registration
	failing    error  // why the last sign of life did not arrive
}

// Register registers t and keeps it alive until the result is closed. It returns an error when t is not valid, or when the registry
// says that it will never take it. A registry that cannot be reached is tried again in the background: a
// service starts without it.
func (c *Client) Register(ctx context.Context, t Target) (*Heartbeat, error) {
	if err := errors.Join(c.validURL(), t.Validate()); err != nil {
		return nil, err
	}
	h := &Heartbeat{client: c, target: t.withDefaults()}
	err := h.beat(ctx)
	if refused, ok := errors.AsType[*refusal](err); ok && refused.final() {
		return nil, err
	}
	h.note(err)
	var life context.Context
	life, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	h.done.Go(func() { h.run(life) })
	return h, nil
}

// Err returns why the last sign of life did not arrive, nil when it did.
func (h *Heartbeat) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failing
}

// Close takes the target out of the registry, unless another has taken its name, and ends the signs of life.
func (h *Heartbeat) Close(ctx context.Context) error {
	h.stop()
	h.done.Wait()
	h.mu.Lock()
	generation := h.generation
	h.mu.Unlock()
	if generation == "" {
		return nil // it was never registered
	}
	_, err := h.client.do(ctx, http.MethodDelete, h.target, generation)
	return unlessGone(err)
}

// run shows signs of life: three in a TTL while they arrive, and with backoff while they do not.
func (h *Heartbeat) run(ctx context.Context) {
	interval := time.Duration(h.target.TTL) / signsPerTTL
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = min(time.Second, interval), min(maxRetryBackoff, interval)
	for {
		pause := interval - rand.N(interval/10+1) // processes that started together do not beat together
		if h.Err() != nil {
			pause = retry.NextBackOff()
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		err := h.beat(ctx)
		if ctx.Err() != nil {
			return
		}
		h.note(err)
		if err == nil {
			retry.Reset()
		}
		if errors.Is(err, ErrReplaced) {
			h.logger().Warn("discovery: another process has registered under this name; it stays, and this one is not listed any more", "target", h.target.Key().String())
			return
		}
	}
}

// beat registers, or is a sign of life of what is registered.
func (h *Heartbeat) beat(ctx context.Context) error {
	h.mu.Lock()
	generation := h.generation
	h.mu.Unlock()
	etag, err := h.client.do(ctx, http.MethodPut, h.target, generation)
	if err == nil {
		h.mu.Lock()
		h.generation = etag
		h.mu.Unlock()
	}
	return err
}

// note keeps the state, and writes a line when it has changed.
func (h *Heartbeat) note(err error) {
	h.mu.Lock()
	before := h.failing
	h.failing = err
	h.mu.Unlock()
	switch {
	case err != nil && before == nil:
		h.logger().Warn("discovery: registering fails; it is tried again", "registry", h.client.URL.Redacted(), "target", h.target.Key().String(), "error", err)
	case err == nil && before != nil:
		h.logger().Info("discovery: registered again", "registry", h.client.URL.Redacted(), "target", h.target.Key().String())
	}
}

func (h *Heartbeat) logger() *slog.Logger {
	if h.client.Logger != nil {
		return h.client.Logger
	}
	return slog.Default()
}

// refusal is an answer that is no success.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("discovery: the registry answered HTTP %d: %s", r.status, r.text)
}

// Is makes [errors.Is] say of an answer what a [Store]'s errors say.
func (r *refusal) Is(target error) bool {
	return target == ErrReplaced && r.status == http.StatusPreconditionFailed || target == ErrNotRegistered && r.status == http.StatusNotFound
}

// final says that the same request will get the same answer: something has to be changed here or there.
func (r *refusal) final() bool {
	return r.status == http.StatusBadRequest || r.status == http.StatusUnauthorized || r.status == http.StatusForbidden
}

// do makes one request, and returns the answer's ETag.
func (c *Client) do(ctx context.Context, method string, t Target, generation string) (etag string, err error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL.JoinPath("v1", "targets", t.Group, t.ID).String(), bytes.NewReader(text))
	if err != nil {
		return "", fmt.Errorf("discovery: the registry's URL cannot be used: %w", withoutURL(err))
	}
	var secrets []string
	if c.Header != nil {
		for name, values := range c.Header() {
			req.Header[http.CanonicalHeaderKey(name)] = values
			secrets = append(secrets, values...)
		}
	}
	req.Header.Set("Content-Type", "application/json")
	if generation != "" {
		req.Header.Set("If-Match", generation)
	}
	client := c.HTTP
	if client == nil {
		client = defaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("discovery: the registry cannot be reached: %w", withoutURL(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if resp.StatusCode/100 != 2 {
		return "", &refusal{resp.StatusCode, readable(string(body), secrets)}
	}
	return resp.Header.Get("ETag"), err
}

// readable returns the text of an answer as an error can show it, without the secrets that it may repeat: neither a
// header's value nor, where that is a scheme and its credentials, the credentials alone.
func readable(text string, secrets []string) string {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD"))
	for _, secret := range secrets {
		_, credentials, _ := strings.Cut(secret, " ")
		for _, hidden := range []string{secret, strings.TrimSpace(credentials)} {
			if hidden != "" {
				text = strings.ReplaceAll(text, hidden, "(not shown)")
			}
		}
	}
	return text
}

// withoutURL takes the URL out of net/http's error: it may hold a password.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
