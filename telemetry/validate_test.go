package telemetry

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/duotel/duotel/exporter"
)

func TestValidateRefuses(t *testing.T) {
	tests := []struct {
		cfg  Config
		says []string
	}{
		{Config{Exporters: []ExporterName{"otlp"}}, []string{`config: Push.Endpoint="": `, "ExporterOTLP"}},
		{Config{Exporters: []ExporterName{"none", "console"}}, []string{"config: Exporters=", "none console", "not alone"}},
		{Config{ExemplarFilter: "x"}, []string{`config: ExemplarFilter="x": `, "always_off"}},
		{Config{ServiceName: "\xff"}, []string{`config: ServiceName="\xff": `}},
		{Config{ResourceAttributes: map[string]string{"": "v"}}, []string{`config: ResourceAttributes="=v": `, "empty key"}},
		{Config{Labels: map[string]string{"a b": "c"}}, []string{`config: Labels="a b=c": `}},
		{Config{Push: PushConfig{Endpoint: "h:4318"}}, []string{`config: Push.Endpoint="h:4318": `, "http://h:4318/v1/metrics"}},
		{Config{Push: PushConfig{Endpoint: "ftp://u:" + secret + "@h/"}}, []string{`config: Push.Endpoint="ftp://xxxxx@h/": `}},
		{Config{Push: PushConfig{Protocol: "http/json"}}, []string{`config: Push.Protocol="http/json": `, "http/protobuf or grpc"}},
		{Config{Push: PushConfig{Compression: "brotli"}}, []string{`config: Push.Compression="brotli": `}},
		{Config{Push: PushConfig{Temporality: "x"}}, []string{`config: Push.Temporality="x": `}},
		{Config{Push: PushConfig{HistogramAggregation: "x"}}, []string{`config: Push.HistogramAggregation="x": `}},
		{Config{Push: PushConfig{Timeout: -1}}, []string{`config: Push.Timeout="-1ns": `}},
		{Config{Push: PushConfig{Interval: -1}}, []string{`config: Push.Interval="-1ns": `}},
		{Config{Push: PushConfig{ExportTimeout: -1}}, []string{`config: Push.ExportTimeout="-1ns": `}},
		{Config{Push: PushConfig{MaxExportBatchSize: -1}}, []string{`config: Push.MaxExportBatchSize="-1": `}},
		{Config{Push: PushConfig{Headers: exporter.NewSecrets(map[string]string{"a b": secret})}}, []string{`config: Push.Headers=(not shown): key "a b": `}},
		{Config{Push: PushConfig{Headers: exporter.NewSecrets(map[string]string{"k": secret + "\n"})}}, []string{`key "k": `, "control"}},
		{Config{Push: PushConfig{Headers: exporter.NewSecrets(map[string]string{"k": secret, "K": secret})}}, []string{`key "k": `, "twice"}},
		{Config{Push: PushConfig{Certificate: "testdata/missing"}}, []string{`config: Push.Certificate="testdata/missing": `}},
		{Config{Push: PushConfig{ClientCertificate: "testdata/web/server.crt", ClientKey: "testdata/web/server.crt"}}, []string{`config: Push.ClientCertificate="testdata/web/server.crt": `}},
		{Config{Push: PushConfig{ClientKey: "x"}}, []string{`config: Push.ClientCertificate="": `}},
		{Config{Pull: PullConfig{Namespace: "a b"}}, []string{`config: Pull.Namespace="a b": `}},
		{Config{Pull: PullConfig{Subsystem: "a b"}}, []string{`config: Pull.Subsystem="a b": `}},
		{Config{HTTP: HTTPConfig{ExcludedHandlers: []string{"["}}}, []string{`config: HTTP.ExcludedHandlers="[": `}},
		{Config{HTTP: HTTPConfig{Names: "x"}}, []string{`config: HTTP.Names="x": `}},
		{Config{Listener: ListenerConfig{Port: 65536}}, []string{`config: Listener.Port="65536": `}},
		{Config{Listener: ListenerConfig{Host: "h:1"}}, []string{`config: Listener.Host="h:1": `}},
		{Config{Listener: ListenerConfig{WebConfigFile: "testdata/web/good.yml"}}, []string{`config: Listener.WebConfigFile="testdata/web/good.yml": `}},
	}
	for _, test := range tests {
		err := test.cfg.Validate()
		if err == nil {
			t.Errorf("%+v: no error", test.cfg)
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("a secret in %v", err)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one error:\n%v", err)
		}
		for _, part := range test.says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v\ndoes not say %q", err, part)
			}
		}
		test.cfg.Disabled = true
		if err := test.cfg.Validate(); err != nil {
			t.Errorf("disabled: %v", err)
		}
	}
}

func TestValidateJoinsAllErrors(t *testing.T) {
	cfg := Config{ExemplarFilter: "x", Push: PushConfig{Protocol: "x", Timeout: -1}, Listener: ListenerConfig{Port: 65536}}
	if err := cfg.Validate(); err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("want four errors, got:\n%v", err)
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
	if err := (Config{Listener: ListenerConfig{Port: -1}}).Validate(); err != nil {
		t.Errorf("a free port: %v", err)
	}
}

func TestExits(t *testing.T) {
	type on struct{ pull, push, console bool }
	endpoint := PushConfig{Endpoint: "http://h/m"}
	tests := []struct {
		cfg  Config
		want on
	}{
		{Config{}, on{pull: true}},
		{Config{Push: endpoint}, on{pull: true, push: true}},
		{Config{Push: endpoint, Exporters: []ExporterName{"prometheus"}}, on{pull: true}},
		{Config{Push: endpoint, Exporters: []ExporterName{"otlp", "console"}}, on{push: true, console: true}},
		{Config{Push: endpoint, Exporters: []ExporterName{"none"}}, on{}},
		{Config{Push: endpoint, Disabled: true}, on{}},
	}
	for _, test := range tests {
		var got on
		if got.pull, got.push, got.console = test.cfg.exits(); got != test.want {
			t.Errorf("%+v: got %+v, want %+v", test.cfg, got, test.want)
		}
	}
}

func TestTLSConfig(t *testing.T) {
	const crt, key = "testdata/web/server.crt", "testdata/web/server.key"
	files, headers, err := PushConfig{Certificate: crt, ClientCertificate: crt, ClientKey: key}.files(slog.Default())
	if err != nil || headers != nil {
		t.Fatalf("got %v, headers %t", err, headers != nil)
	}
	if cfg := files(); cfg.RootCAs == nil || len(cfg.Certificates) != 1 || cfg.MinVersion == 0 || cfg != files() {
		t.Errorf("got %+v, and the same again: %t", cfg, cfg == files())
	}
	if files, _, err = (PushConfig{}).files(slog.Default()); err != nil || files().RootCAs != nil || files().Certificates != nil {
		t.Errorf("the zero Config: got %v", err)
	}
	if _, _, err := (PushConfig{Certificate: "testdata/missing"}).files(slog.Default()); err == nil {
		t.Error("a missing file: no error")
	}
}
