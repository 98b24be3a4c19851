package telemetry

import "github.com/duotel/duotel/exporter"

// Status says how both exits, and the process's entry in discovery, stand, in the same numbers as the library's own metrics. It is a
// snapshot and belongs to the caller.
type Status struct {
	// Disabled is what the Config said.
	Disabled bool
	// CallbackErrors and CallbackPanics count calls of observable callbacks that ended so.
	CallbackErrors, CallbackPanics int64
	// Pull is nil where there is no pull exit.
	Pull *exporter.PullStats
	// Push is nil where nothing is pushed. Its endpoint has no password.
	Push *exporter.PushStats
	// Discovery is nil where the process is not listed anywhere. It has no secrets.
	Discovery *DiscoveryStatus
}

// Status returns how both exits stand. It is cheap and may be called at any time.
func (s *SDK) Status() Status {
	st := Status{Disabled: s.cfg.Disabled}
	if s.guard != nil {
		stats := s.guard.Stats()
		st.CallbackErrors, st.CallbackPanics = stats.Errors, stats.Panics
	}
	if s.pull != nil {
		stats := s.pull.Stats()
		st.Pull = &stats
	}
	if s.push != nil {
		stats := s.push.Stats()
		st.Push = &stats
	}
	if s.registrar != nil {
		status := s.registrar.snapshot()
		st.Discovery = &status
	}
	return st
}
