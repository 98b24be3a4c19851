package telemetry

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Start reads the process's environment, builds the SDK and makes it global:
// [FromEnv], [New] and [SDK.SetGlobal] in one call.
func Start(ctx context.Context, opts ...Option) (*SDK, error) {
	cfg, err := FromEnv(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	sdk, err := New(ctx, cfg, opts...)
	if err != nil {
		return nil, err
	}
	sdk.SetGlobal()
	return sdk, nil
}

// signalGrace is how long [Run] waits for f to return after a signal before it pushes without it.
const signalGrace = 5 * time.Second

// Run is [Start] for a job: it calls f and pushes a last time when f returns, when f panics (the
// panic goes on unchanged), and 5 s after ctx ends, or SIGINT or SIGTERM has cancelled f's context, where
// f still runs then. After the first
// signal a second one ends the process at once. Run returns f's error joined with Shutdown's.
func Run(ctx context.Context, f func(context.Context) error, opts ...Option) (err error) {
	sdk, err := Start(ctx, opts...)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	returned := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		sdk.pushOnSignal(ctx, stop, returned)
	}()
	defer func() {
		close(returned)
		<-watched
		stop()
		err = errors.Join(err, sdk.Shutdown(context.Background()))
	}()
	return f(ctx)
}

// pushOnSignal shuts the SDK down for an f that does not return after a signal.
func (s *SDK) pushOnSignal(ctx context.Context, stop func(), returned <-chan struct{}) {
	select {
	case <-returned:
		return
	case <-ctx.Done():
		stop()
	}
	grace := time.NewTimer(signalGrace)
	defer grace.Stop()
	select {
	case <-returned:
	case <-grace.C:
		if err := s.Shutdown(context.Background()); err != nil {
			s.opts.logger.Warn("telemetry: shutdown after a signal", "error", err)
		}
	}
}
