package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/telemetry"
)

// replicaVariable makes the test binary a replica of the service that listens where it says.
const replicaVariable = "DUOTEL_E2E_REPLICA"

// runReplica is a service as the README has it: set up by the environment, stopped by SIGTERM.
func runReplica() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	sdk, err := telemetry.Start(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	mux := http.NewServeMux()
	service.Routes(mux)
	sdk.Mount(mux)
	server := &http.Server{Addr: os.Getenv(replicaVariable), Handler: sdk.Middleware(mux), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			fmt.Fprintln(os.Stderr, err)
			stop()
		}
	}()
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = server.Shutdown(last)
	if err := sdk.Shutdown(last); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// replica is a process of its own, with a load.
type replica struct {
	*servers.Process
	*service.Load
	address string
}

// startReplica starts one that pushes to endpoint every second. What is in environment comes on top.
func startReplica(t *testing.T, name, endpoint string, environment ...string) *replica {
	t.Helper()
	return startReplicaAt(t, name, servers.FreeAddress, endpoint, environment...)
}

// startReplicaAt is startReplica for an address that is asked for.
func startReplicaAt(t *testing.T, name string, address func(testing.TB) string, endpoint string, environment ...string) *replica {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{}
	r.Process = servers.StartProcess(t, name, program, func() servers.Launch {
		r.address = address(t)
		return servers.Launch{Ready: "http://" + r.address + "/metrics", Environment: append([]string{
			replicaVariable + "=" + r.address,
			"OTEL_SERVICE_NAME=e2e",
			"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=" + endpoint,
			"OTEL_METRIC_EXPORT_INTERVAL=1000",
		}, environment...)}
	})
	r.Load = service.NewLoad("http://" + r.address)
	return r
}

// restart stops a replica, whose last push has what it counted, and starts another one with its name and address. Both have
// environment.
func (r *replica) restart(t *testing.T, name, endpoint string, environment ...string) *replica {
	t.Helper()
	r.Stop()
	return startReplicaAt(t, name, func(testing.TB) string { return r.address }, endpoint, environment...)
}
