package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Put lists t for its TTL in the registry elsewhere, as [Registry.Put] does in one that is here: the caller repeats it in time with
// the generation that it returned, or 0 for a new registration. It returns an error that is [ErrReplaced] when somebody else has
// registered under that name since. It is for a caller that keeps its own time; [Client.Register] keeps t alive by itself.
func (c *Client) Put(ctx context.Context, t Target, generation uint64) (uint64, error) {
	if err := errors.Join(c.validURL(), t.Validate()); err != nil {
		return 0, err
	}
	etag, err := c.do(ctx, http.MethodPut, t.withDefaults(), etagOf(generation))
	if err != nil {
		return 0, err
	}
	// Whatever answers 200 to everything is no registry, and would be believed until somebody looked.
	listed, err := strconv.ParseUint(strings.Trim(etag, `"`), 10, 64)
	if err != nil || listed == 0 {
		return 0, fmt.Errorf("discovery: the answer has the ETag %q: it is not that of a registry", cut(etag))
	}
	return listed, nil
}

// Remove takes a target out of the registry elsewhere, as [Registry.Remove] does in one that is here: generation 0 means whichever is
// listed. It returns an error that is [ErrNotRegistered], or [ErrReplaced] when a later registration has taken the name.
func (c *Client) Remove(ctx context.Context, key Key, generation uint64) error {
	if err := c.validURL(); err != nil {
		return err
	}
	_, err := c.do(ctx, http.MethodDelete, Target{Group: key.Group, ID: key.ID}, etagOf(generation))
	return err
}

func (c *Client) validURL() error {
	if c.URL == nil || c.URL.Host == "" || c.URL.Scheme != "http" && c.URL.Scheme != "https" {
		return errors.New("discovery: Client.URL: is not an http or https URL; such as https://registry:8080/")
	}
	return nil
}

// etagOf is the generation as the API writes it, and nothing for none.
func etagOf(generation uint64) string {
	if generation == 0 {
		return ""
	}
	return strconv.Quote(strconv.FormatUint(generation, 10))
}
