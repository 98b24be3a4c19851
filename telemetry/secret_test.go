package telemetry_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
)

// F38: a secret at every place of a Config that can have one is in nothing that is printed, logged, returned, shown on a page or in
// the status, when everything fails that can.
func TestF38SecretsLeaveByNoDoor(t *testing.T) {
	const secret = "s3cr3t-0123456789"
	login := base64.StdEncoding.EncodeToString([]byte("me:" + secret))
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Location", "http://me:"+secret+"@127.0.0.1/?key="+secret)
		w.WriteHeader([]int{http.StatusUnauthorized, http.StatusFound, http.StatusBadRequest, http.StatusInternalServerError}[len(r.Header.Get("X-Turn"))%4])
		_ = r.Header.Write(w)
		_, _ = io.WriteString(w, r.URL.String()+secret)
	}))
	defer backend.Close()
	var said strings.Builder
	for turn := range 4 {
		file := fileWith(t, "headers", "X-From-File="+secret+"\nX-Turn="+strings.Repeat("x", turn+1))
		cfg, err := telemetry.FromEnv(environ(map[string]string{
			"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": strings.Replace(backend.URL, "://", "://me:"+secret+"@", 1) + "/m?key=" + secret,
			"OTEL_EXPORTER_OTLP_METRICS_HEADERS":  "X-Key=" + secret + ",X-Login=Basic " + login,
			"OTEL_EXPORTER_OTLP_HEADERS":          "X-Other=" + secret,
			"DUOTEL_PUSH_HEADERS_FILE":            file,
			"OTEL_METRIC_EXPORT_TIMEOUT":          "500",
			"DUOTEL_PUSH_SPOOL_DIR":               t.TempDir(),
			"DUOTEL_DISCOVERY":                    backend.URL + "/",
			"DUOTEL_DISCOVERY_ADDRESS":            backend.Listener.Addr().String(),
			"DUOTEL_DISCOVERY_HEADERS_FILE":       file,
		}))
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []any{cfg, &cfg, cfg.Push, &cfg.Push, cfg.Push.Headers, []telemetry.Config{cfg}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
				fmt.Fprintf(&said, verb+"\n", value)
			}
			slog.New(slog.NewTextHandler(&said, nil)).Info("m", "value", value)
			slog.New(slog.NewJSONHandler(&said, nil)).Info("m", "value", value)
			said.Write(must(json.Marshal(value)))
		}
		sdk, log := newSDK(t, cfg, telemetry.WithErrorHandler(func(err error) { fmt.Fprintln(&said, err) }))
		must(sdk.MeterProvider().Meter("app").Int64Counter("jobs")).Add(t.Context(), 1)
		eventually(t, "registering", func() bool { return sdk.Status().Discovery.Failures > 0 })
		fmt.Fprintf(&said, "%+v\n", *sdk.Status().Discovery)
		fmt.Fprintln(&said, sdk.ForceFlush(t.Context()), fmt.Sprintf("%+v", sdk.Status()), fmt.Sprintf("%+v", *sdk.Status().Push))
		rewrite(t, file, secret)
		fmt.Fprintln(&said, sdk.ForceFlush(t.Context()))
		fmt.Fprintln(&said, scrape(sdk.MetricsHandler()).Body)
		fmt.Fprintln(&said, sdk.Shutdown(t.Context()), log)
		_, err = telemetry.New(t.Context(), cfg, telemetry.WithStrictPush())
		fmt.Fprintln(&said, err, cfg.Validate())
	}
	bad := telemetry.Config{Push: telemetry.PushConfig{
		Endpoint: "ftp://me:" + secret + "@h/?k=" + secret, Protocol: "x",
		Headers: exporter.NewSecrets(map[string]string{"a b": secret, "k": secret + "\n", "grpc-x": secret}),
	}}
	fmt.Fprintln(&said, bad.Validate(), bad)
	fmt.Fprintln(&said, discoverySecrets(t, secret))
	for _, form := range []string{secret, secret[:10], fmt.Sprintf("%x", secret), login} {
		if at := strings.Index(said.String(), form); at >= 0 {
			t.Errorf("%q is there: …%s", form, said.String()[max(0, at-300):at+len(form)])
		}
	}
	if !strings.Contains(said.String(), "discovery: failing") || !strings.Contains(said.String(), "push: failing") || !strings.Contains(said.String(), "cannot be used as it is now") {
		t.Error("what was to fail did not")
	}
}

// discoverySecrets is what is said of a Config whose store has a password, and cannot be opened.
func discoverySecrets(t *testing.T, secret string) string {
	t.Helper()
	var said strings.Builder
	cfg := telemetry.Config{
		Listener:  telemetry.ListenerConfig{Host: "127.0.0.1", Port: -1},
		Discovery: telemetry.DiscoveryConfig{URL: "etcd://me:" + secret + "@h1:1,h2:2/p?key=" + secret},
	}
	for _, value := range []any{cfg, &cfg, cfg.Discovery, &cfg.Discovery} {
		fmt.Fprintf(&said, "%v %+v %#v %s %q %x\n", value, value, value, value, value, value)
		slog.New(slog.NewJSONHandler(&said, nil)).Info("m", "value", value)
		said.Write(must(json.Marshal(value)))
	}
	_, err := telemetry.New(t.Context(), cfg)
	fmt.Fprintln(&said, err)
	cfg.Discovery = telemetry.DiscoveryConfig{URL: "etcd://h1:1,h2:2/p", Username: "me", PasswordFile: written(t, secret)}
	fmt.Fprintf(&said, "%+v\n", cfg)
	sdk, log := newSDK(t, cfg, telemetry.WithDiscoveryStore("etcd", func(_ context.Context, at discovery.StoreConfig) (discovery.Store, error) {
		return nil, fmt.Errorf("%+v: no; %s", at, secret)
	}))
	eventually(t, "opening", func() bool { return sdk.Status().Discovery.Failures > 0 })
	fmt.Fprintf(&said, "%+v\n", *sdk.Status().Discovery)
	fmt.Fprintln(&said, sdk.Shutdown(t.Context()), log)
	return said.String()
}
