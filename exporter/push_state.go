package exporter

import "time"

// PushState is the condition of a [Push].
type PushState string

// The states of a [Push].
const (
	// PushStarting is before the first push.
	PushStarting PushState = "starting"
	// PushHealthy is when the latest push was accepted.
	PushHealthy PushState = "healthy"
	// PushFailing is when it was not.
	PushFailing PushState = "failing"
	// PushStopped is after Shutdown.
	PushStopped PushState = "stopped"
)

// PushStats says how a [Push] stands. Counts are since the start.
type PushStats struct {
	State PushState
	// Endpoint is where to, without a password.
	Endpoint string
	// LastAttempt and LastSuccess are when the latest push began, and the latest that was accepted;
	// zero when there was none.
	LastAttempt, LastSuccess time.Time
	// LastReason and LastError say why the latest push failed, or why one that has not ended counts as failing; empty
	// when it did not. The reason is what the backend's answer means, or "incomplete" where the push was accepted and lacks
	// what a producer has.
	LastReason, LastError string
	// LastWarning is what the latest partial success said.
	LastWarning string
	// ConsecutiveFailures is the number of failed pushes since the last success.
	ConsecutiveFailures int64
	// Failures counts failed pushes by reason.
	Failures map[string]int64
	// Pushes and Requests count what was tried. A push takes one request, or more when it is cut into
	// batches or tried again.
	Pushes, Requests int64
	// AmbiguousRequests may have been taken by the backend, which nobody can tell: no answer came, and they were sent
	// again; or one came over gRPC that is too large to be read, and they were not; or they were sent out of the spool
	// and could not be removed from it, so that the next process sends them again.
	AmbiguousRequests int64
	// PointsSent were accepted, PointsRejected refused by a partial success. PointsLost will never
	// arrive: too large for the backend by themselves, unsent at Shutdown and not in the spool, dropped by the
	// spool, or refused out of it.
	PointsSent, PointsRejected, PointsLost int64
	// Bytes is the size of all request bodies as they were sent.
	Bytes int64
	// Duration is how long the latest push took.
	Duration time.Duration
	// PointsSpooled were written to the spool, PointsReplayed accepted out of it; what it dropped, and
	// what the backend will never take out of it, is part of PointsLost. SpoolRequests and SpoolBytes
	// wait in it, of all processes that share it, as of the latest push.
	PointsSpooled, PointsReplayed int64
	SpoolRequests                 int
	SpoolBytes                    int64
	// SpoolCorrupt counts files that are named like a request of the spool and are none. They are set aside.
	SpoolCorrupt int64
	// SpoolError is why the spool did not work in the latest push; empty when it did. SpoolFailures counts
	// such pushes.
	SpoolError    string
	SpoolFailures int64
	// CollectErrors counts what went wrong before a push: producers that failed and were left out, and what
	// gatherers of a [NewBridge] could not give, once per push.
	CollectErrors int64
	// Repaired counts metrics and series that were sent otherwise than they were recorded, because a backend would have
	// refused everything for them: strings that are not valid UTF-8, keys that no label can be made of, exponential
	// histograms too coarse for a native histogram. Each counts once per push.
	Repaired int64
	// SeriesSetAside counts series that the backend refuses for what is in them, so that everything sent with one is
	// refused too. They are not sent any more while the process lives, nor is their kind in the spool. SetAside names the
	// first twenty. PointsSetAside is the part of PointsLost that was theirs.
	SeriesSetAside, PointsSetAside int64
	SetAside                       []string
	// SeriesDuplicate and SeriesLost count what the delta could not carry: series that came twice in one
	// collection, and series given up because too many vanished while nothing was accepted.
	SeriesDuplicate, SeriesLost int64
}
