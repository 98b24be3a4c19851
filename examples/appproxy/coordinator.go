package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/duotel/duotel/discovery"
)

// circuit is a session's way through a worker: its routes lead to what the session runs.
type circuit struct {
	SessionID       string  `json:"session_id"`
	WorkerAuthority string  `json:"worker_authority"`
	Routes          []route `json:"routes"`
}

// route is one end of a circuit. Only healthy routes are scraped.
type route struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Healthy bool   `json:"healthy"`
}

// targets returns the healthy routes as Prometheus is to see them.
func (c circuit) targets(id string) []discovery.Target {
	targets := []discovery.Target{}
	for _, r := range c.Routes {
		if !r.Healthy {
			continue
		}
		targets = append(targets, discovery.Target{ID: r.ID, Address: r.Address, Labels: map[string]string{
			"circuit_id": id, "session_id": c.SessionID, "worker_authority": c.WorkerAuthority,
		}})
	}
	return targets
}

// coordinator creates, updates and deletes circuits over HTTP and keeps the registry in step with them.
type coordinator struct {
	registry *discovery.Registry

	mu       sync.Mutex
	circuits map[string]circuit
}

func newCoordinator(registry *discovery.Registry) *coordinator {
	return &coordinator{registry: registry, circuits: map[string]circuit{}}
}

func (c *coordinator) mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /circuits", c.list)
	mux.HandleFunc("PUT /circuits/{id}", c.put)
	mux.HandleFunc("DELETE /circuits/{id}", c.remove)
	mux.Handle("GET /sd", c.registry.Handler())
}

// group is a circuit's group in the registry: one each, so that Sync of one leaves the others alone.
func group(id string) string { return "circuit-" + id }

func (c *coordinator) list(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	text, err := json.Marshal(c.circuits)
	c.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n'))
}

// maxCircuitBytes bounds what a client can make the coordinator read.
const maxCircuitBytes = 1 << 20

// put creates a circuit, or makes it what the request says.
func (c *coordinator) put(w http.ResponseWriter, req *http.Request) {
	var next circuit
	decoder := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxCircuitBytes))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&next); err != nil {
		http.Error(w, fmt.Sprintf("circuit: the body is not a circuit: %v", err), http.StatusBadRequest)
		return
	}
	if next.SessionID == "" || next.WorkerAuthority == "" {
		// Prometheus drops a label without a value, and the series would have two of three.
		http.Error(w, fmt.Sprintf("circuit: session_id=%q, worker_authority=%q: is empty; both are required", next.SessionID, next.WorkerAuthority), http.StatusBadRequest)
		return
	}
	if err := c.set(req.Context(), req.PathValue("id"), &next); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (c *coordinator) remove(w http.ResponseWriter, req *http.Request) {
	switch err := c.set(req.Context(), req.PathValue("id"), nil); {
	case errors.Is(err, errUnknown):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

var errUnknown = errors.New("is not known")

// set makes a circuit what next says, or deletes it where next is nil. The lock is held across Sync, which with the
// store in memory waits for no network: two events of one circuit must reach the registry in the order in which the
// coordinator took them. What the registry refuses changes nothing.
func (c *coordinator) set(ctx context.Context, id string, next *circuit) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if next == nil {
		if _, known := c.circuits[id]; !known {
			return fmt.Errorf("circuit: id=%q: %w; one of those that GET /circuits lists", id, errUnknown)
		}
		if err := c.registry.Sync(ctx, group(id), nil); err != nil {
			return err
		}
		delete(c.circuits, id)
		return nil
	}
	if err := c.registry.Sync(ctx, group(id), next.targets(id)); err != nil {
		return err
	}
	c.circuits[id] = *next
	return nil
}
