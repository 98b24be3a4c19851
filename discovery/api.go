package discovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// Bounds of the API's requests.
const (
	maxTargetBytes   = 256 << 10
	maxGroupBytes    = 32 << 20
	maxLargeRequests = 2   // groups that are read at once
	maxSmallRequests = 256 // targets that are read at once
	maxErrors        = 10  // targets of a group that an error is about: the first say enough
)

// API returns the handler through which other processes register. authorize says what a client may do; when
// it is nil only clients on this machine's loopback may register, and they may register everything.
//
//	PUT    /v1/targets/{group}/{id}  registers, or is a sign of life with If-Match: the answer's ETag
//	DELETE /v1/targets/{group}/{id}  removes; with If-Match only that registration
//	PUT    /v1/groups/{group}        makes the group exactly the targets of the list
//	GET    /v1/targets               the list with generation and health, with the parameters of [ParseQuery]
//
// A target is the JSON form of [Target], a group a list of them; group and id may be left out where the path has
// them. A target that is registered here has to show a sign of life within its TTL. An error is a text that
// says what is wrong: 400 for what is not valid, 401 and 403 for who may not, 412 for a registration that was replaced,
// 413 for what is too large, 503 when too many register at once or the store does not answer.
func (r *Registry) API(authorize func(*http.Request) (Grant, error)) http.Handler {
	if authorize == nil {
		authorize = loopbackOnly
	}
	a := &api{registry: r, authorize: authorize, large: make(chan struct{}, maxLargeRequests), small: make(chan struct{}, maxSmallRequests)}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/targets/{group}/{id}", a.bounded(a.small, a.putTarget))
	mux.HandleFunc("DELETE /v1/targets/{group}/{id}", a.bounded(a.small, a.deleteTarget))
	mux.HandleFunc("PUT /v1/groups/{group}", a.bounded(a.large, a.putGroup))
	mux.HandleFunc("GET /v1/targets", a.getTargets)
	return mux
}

// loopbackOnly grants everything to whoever is on this machine.
func loopbackOnly(req *http.Request) (Grant, error) {
	if at, err := netip.ParseAddrPort(req.RemoteAddr); err == nil && at.Addr().Unmap().IsLoopback() {
		return Grant{Groups: []string{"*"}}, nil
	}
	return Grant{}, fmt.Errorf("discovery: without authentication only loopback may register: %w", ErrUnauthenticated)
}

type api struct {
	registry  *Registry
	authorize func(*http.Request) (Grant, error)
	large     chan struct{}
	small     chan struct{}
}

// bounded lets as many requests in as slots has room for, so that their bodies have a bound together.
func (a *api) bounded(slots chan struct{}, serve func(w http.ResponseWriter, req *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, fmt.Sprintf("discovery: %d requests of this kind are under way, which is the limit; try again", cap(slots)), http.StatusServiceUnavailable)
			return
		}
		if err := serve(w, req); err != nil {
			if errors.Is(err, ErrUnauthenticated) {
				w.Header().Set("WWW-Authenticate", `Bearer realm="discovery"`)
			}
			http.Error(w, err.Error(), statusOf(err))
		}
	}
}

// errForbidden is wrapped by errors about what a client may not do.
var errForbidden = errors.New("not granted")

// errNotValid is wrapped by errors about what a client sent.
var errNotValid = errors.New("not valid")

// notValid marks an error that says by itself what is not valid.
func notValid(err error) error { return notValidError{err} }

type notValidError struct{ error }

func (e notValidError) Unwrap() []error { return []error{e.error, errNotValid} }

func statusOf(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, ErrUnauthenticated):
		return http.StatusUnauthorized
	case errors.Is(err, errForbidden):
		return http.StatusForbidden
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrNotRegistered):
		return http.StatusNotFound
	case errors.Is(err, ErrReplaced):
		return http.StatusPreconditionFailed
	case errors.Is(err, errNotValid):
		return http.StatusBadRequest
	default:
		return http.StatusServiceUnavailable
	}
}

func (a *api) putTarget(w http.ResponseWriter, req *http.Request) error {
	grant, err := a.grant(req)
	if err != nil {
		return err
	}
	generation, err := ifMatch(req)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxTargetBytes))
	if err != nil {
		return fmt.Errorf("discovery: the target cannot be read: %w", err)
	}
	t, err := decodeNamed(raw, req.PathValue("group"), req.PathValue("id"))
	if err == nil {
		err = a.registry.admit(t)
	}
	if err != nil {
		return notValid(err)
	}
	if err := grant.addresses(t.Address); err != nil {
		return err
	}
	generation, err = a.registry.Put(req.Context(), t, generation)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", strconv.Quote(strconv.FormatUint(generation, 10)))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) deleteTarget(w http.ResponseWriter, req *http.Request) error {
	if _, err := a.grant(req); err != nil {
		return err
	}
	generation, err := ifMatch(req)
	if err != nil {
		return err
	}
	if err := a.registry.Remove(req.Context(), Key{req.PathValue("group"), req.PathValue("id")}, generation); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) putGroup(w http.ResponseWriter, req *http.Request) error {
	grant, err := a.grant(req)
	if err != nil {
		return err
	}
	group := req.PathValue("group")
	entries, err := readEntries(http.MaxBytesReader(w, req.Body, maxGroupBytes), group)
	if err != nil {
		return err
	}
	targets, errs := make([]Target, 0, len(entries)), []error{}
	for i, entry := range entries {
		t, err := decodeNamed(entry, group, "")
		if err == nil {
			err = grant.addresses(t.Address)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("target %d: %w", i, err))
		}
		if len(errs) >= maxErrors {
			break
		}
		targets = append(targets, t)
	}
	if err := errors.Join(errs...); err != nil {
		return notValid(err)
	}
	targets, err = a.registry.admitGroup(group, targets)
	if err != nil {
		return notValid(err)
	}
	if err := a.registry.replace(req.Context(), group, targets, false); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// shown is a target in the API's own list.
type shown struct {
	Target
	Generation uint64 `json:"generation"`
	Health     Health `json:"health"`
}

func (a *api) getTargets(w http.ResponseWriter, req *http.Request) {
	if !a.registry.authorized(w, req) {
		return
	}
	q, err := parseRawQuery(req.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	list, err := a.registry.Targets(q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	out := make([]shown, 0, len(list))
	for _, l := range list {
		out = append(out, shown{l.Target, l.Generation, l.Health})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // who has left does not need the rest
}

// grant returns what the client may do, if that includes the path's group.
func (a *api) grant(req *http.Request) (Grant, error) {
	grant, err := a.authorize(req)
	if err != nil {
		if !errors.Is(err, ErrUnauthenticated) {
			err = fmt.Errorf("%w: %w", errForbidden, err)
		}
		return Grant{}, err
	}
	if group := req.PathValue("group"); !grant.group(group) {
		return Grant{}, fmt.Errorf("discovery: Group=%q: %w to this client", cut(group), errForbidden)
	}
	return grant, nil
}

// ifMatch returns the generation that a client names, 0 when it names none.
func ifMatch(req *http.Request) (uint64, error) {
	text := req.Header.Get("If-Match")
	if text == "" || text == "*" {
		return 0, nil
	}
	generation, err := strconv.ParseUint(strings.Trim(text, `"`), 10, 64)
	if err != nil || generation == 0 {
		return 0, notValid(invalid("If-Match", text, "is not a generation", "the ETag of the answer that registered it"))
	}
	return generation, nil
}

// decodeNamed is [DecodeTarget] of a text that may leave out the group and the id that its path has.
func decodeNamed(raw []byte, group, id string) (Target, error) {
	return decodeTarget(raw, func(t *Target) error {
		if t.Group == "" {
			t.Group = group
		}
		if t.ID == "" {
			t.ID = id
		}
		if t.Group != group || id != "" && t.ID != id {
			return fmt.Errorf("discovery: the target says it is %s; the path says %s", cut(t.Key().String()), cut(Key{group, id}.String()))
		}
		return nil
	})
}
