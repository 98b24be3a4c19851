package main

import (
	"time"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

const (
	// pushEvery is the interval towards the demo's own backend.
	pushEvery = 2 * time.Second
	// keptRequests bounds the memory of a backend that runs for hours; its totals go on.
	keptRequests = 10
)

// openBackend starts a backend of the demo's own and pushes there, where the environment names
// neither an endpoint nor the exits it wants.
func (d *demo) openBackend() error {
	if d.config.Disabled || d.config.Push.Endpoint != "" || len(d.config.Exporters) > 0 {
		return nil
	}
	var err error
	if d.backend, err = telemetrytest.StartBackend(telemetrytest.WithKeep(keptRequests)); err != nil {
		return err
	}
	push := &d.config.Push
	push.Endpoint = d.backend.HTTPEndpoint()
	if push.Protocol == exporter.ProtocolGRPC {
		push.Endpoint = d.backend.GRPCEndpoint()
	}
	if push.Interval == 0 {
		push.Interval = pushEvery
	}
	return nil
}

func (d *demo) closeBackend() {
	if d.backend != nil {
		d.backend.Close()
	}
}
