package telemetry

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Registerer returns where new client_golang collectors are registered to leave by both exits. Unlike
// a plain registry's, its MustRegister does not panic: a collector that cannot be registered, such as
// one that is there already, is reported to the error handler and stays out.
func (s *SDK) Registerer() prometheus.Registerer {
	return registerer{s.registry, s.opts.errorHandler}
}

type registerer struct {
	prometheus.Registerer
	handle func(error)
}

// MustRegister implements [prometheus.Registerer].
func (r registerer) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			r.handle(fmt.Errorf("register: a client_golang collector stays out: %w", err))
		}
	}
}
