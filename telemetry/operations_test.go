package telemetry_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

const operationsFile = "../docs/operations.md"

// TestOperationsDoc makes every row of the tables in docs/operations.md happen, and looks for what each
// quotes. The page is the data: a row without a case, a case without a row and a quotation that is not
// what is said are all failures.
func TestOperationsDoc(t *testing.T) {
	rows := operationsRows(t)
	tables := []map[string]func(*scene){startErrors, startWarnings, refusedScrapes, missingSeries, pushStates, pushReasons(), answersOverHTTP, spooled, discovered, numbers, stopping}
	if len(rows) != len(tables) {
		t.Fatalf("%d tables in %s, and cases for %d", len(rows), operationsFile, len(tables))
	}
	for i, cases := range tables {
		for symptom := range cases {
			if rows[i][symptom] == nil {
				t.Errorf("table %d of %s has no row %q", i, operationsFile, symptom)
			}
		}
		for symptom, row := range rows[i] {
			t.Run(symptom, func(t *testing.T) {
				t.Parallel()
				happen, known := cases[symptom]
				if !known {
					t.Fatal("nothing makes this happen")
				}
				if happen == nil {
					return // it exists over gRPC alone: see TestOperationsDocAnswersOverGRPC
				}
				s := &scene{T: t, said: map[string]string{}}
				happen(s)
				s.close()
				for column, quotation := range row {
					if column != inGRPC {
						s.check(column, quotation)
					}
				}
			})
		}
	}
}

// TestOperationsDocHasEveryReason reads the reasons where they are defined: they are internal to the exporter.
func TestOperationsDocHasEveryReason(t *testing.T) {
	source := must(os.ReadFile("../exporter/internal/otlpanswer/reason.go"))
	doc := string(must(os.ReadFile(operationsFile)))
	found := regexp.MustCompile(`(?m)^\t\w+ +Reason = "(\w+)"$`).FindAllSubmatch(source, -1)
	if len(found) < 19 {
		t.Fatalf("%d reasons read", len(found))
	}
	for _, match := range found {
		if !strings.Contains(doc, "`"+string(match[1])+"`") {
			t.Errorf("%s does not mention %s", operationsFile, match[1])
		}
	}
}

var quotation = regexp.MustCompile("`([^`]+)`")

// operationsRows returns the tables: for each row, by its first cell, the cells of the columns that quote.
func operationsRows(t *testing.T) []map[string]map[string]string {
	t.Helper()
	var tables []map[string]map[string]string
	var header []string
	for line := range strings.Lines(string(must(os.ReadFile(operationsFile)))) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case !strings.HasPrefix(line, "|"):
			header = nil
		case header == nil:
			header = cells
			tables = append(tables, map[string]map[string]string{})
		case !strings.HasPrefix(line, "|---"):
			row := map[string]string{}
			for i, name := range header[2 : len(header)-1] {
				if columns[name] != "" {
					row[columns[name]] = cells[i+2]
				}
			}
			tables[len(tables)-1][strings.ReplaceAll(cells[1], "`", "")] = row
		}
	}
	return tables
}

const (
	inLog    = "the log"
	inPage   = "the page"
	inAnswer = "the answer"
	inError  = "the error"
	inStatus = "the status"
)

// columns maps the headings of columns that quote to what they quote.
var columns = map[string]string{
	"the log": inLog, "`/metrics`": inPage, "`/metrics` later": inPage, "the answer": inAnswer, "the error": inError, "`SDK.Status()`": inStatus, "over gRPC": inGRPC,
}

// scene is one thing happening, and what was said.
type scene struct {
	*testing.T
	sdk    *telemetry.SDK
	logged lockedBuffer
	said   map[string]string
}

// lockedBuffer is read while others write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start builds the SDK. Its error is something said, too.
func (s *scene) start(cfg telemetry.Config, opts ...telemetry.Option) *telemetry.SDK {
	s.Helper()
	logger := slog.New(slog.NewTextHandler(&s.logged, nil))
	sdk, err := telemetry.New(s.Context(), cfg, append([]telemetry.Option{telemetry.WithLogger(logger)}, opts...)...)
	s.failed(err)
	s.sdk = sdk
	return sdk
}

func (s *scene) failed(err error) {
	if err != nil {
		s.said[inError] += err.Error() + "\n"
	}
}

// done is for steps that must succeed.
func (s *scene) done(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// close reads what the SDK says of itself and stops it.
func (s *scene) close() {
	if s.sdk != nil {
		scrape(s.sdk.MetricsHandler()) // which may share a collection that began before what is looked for
		s.said[inPage] = regexp.MustCompile(`(?m)^(# |go_|process_).*\n`).ReplaceAllString(scrape(s.sdk.MetricsHandler()).Body.String(), "")
		if push := s.sdk.Status().Push; push != nil {
			s.said[inStatus] = fmt.Sprintf("%+v", *push)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		_ = s.sdk.Shutdown(ctx)
	}
	s.said[inLog] = s.logged.String()
}

// check looks for each quotation of a cell in what was said, … standing for any text and N for a number
// that is not zero.
func (s *scene) check(where, cell string) {
	for _, match := range quotation.FindAllStringSubmatch(cell, -1) {
		pattern := regexp.QuoteMeta(match[1])
		pattern = strings.ReplaceAll(pattern, "…", ".*")
		pattern = regexp.MustCompile(`\bN\b`).ReplaceAllString(pattern, "[1-9][0-9.e+]*")
		if !regexp.MustCompile("(?m)" + pattern).MatchString(s.said[where]) {
			s.Errorf("%s quotes %s, but %s has no such line:\n%s", operationsFile, match[1], where, s.said[where])
		}
	}
}

// fromEnv is a start with variables.
func fromEnv(vars map[string]string) func(*scene) {
	return func(s *scene) {
		cfg, err := telemetry.FromEnv(environ(vars))
		if s.failed(err); err == nil {
			s.start(cfg)
		}
	}
}

var startErrors = map[string]func(*scene){
	"a variable has a value that is not allowed": fromEnv(map[string]string{"OTEL_METRIC_EXPORT_INTERVAL": "10s"}),
	"a header cannot be read":                    fromEnv(map[string]string{"OTEL_EXPORTER_OTLP_METRICS_HEADERS": `Authorization="Bearer x"`}),
	"the file of headers cannot be read": func(s *scene) {
		file := filepath.Join(s.TempDir(), "headers")
		s.done(os.WriteFile(file, []byte("Authorization: Bearer x"), 0o600))
		s.start(telemetry.Config{Push: telemetry.PushConfig{Endpoint: "http://127.0.0.1:1/v1/metrics", HeadersFile: file}})
	},
	"the endpoint has no scheme": fromEnv(map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "h:4318"}),
	"a certificate cannot be read": fromEnv(map[string]string{
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://h/v1/metrics", "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE": "testdata/none.pem",
	}),
	"the listener's port is taken": func(s *scene) {
		taken := must(net.Listen("tcp", "127.0.0.1:0"))
		defer taken.Close()
		s.start(telemetry.Config{Listener: telemetry.ListenerConfig{Host: "127.0.0.1", Port: taken.Addr().(*net.TCPAddr).Port}})
	},
	"the spool's directory cannot be used": func(s *scene) {
		file := filepath.Join(s.TempDir(), "file")
		s.done(os.WriteFile(file, nil, 0o600))
		s.start(telemetry.Config{Push: telemetry.PushConfig{Endpoint: "http://127.0.0.1:1/v1/metrics", SpoolDir: filepath.Join(file, "spool")}})
	},
	"WithStrictPush, and the backend refuses": func(s *scene) {
		backend := telemetrytest.NewBackend(s, telemetrytest.WithBearer("x"))
		s.start(telemetry.Config{Push: telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()}}, telemetry.WithStrictPush())
	},
	"the process is to be listed, and has no address": fromEnv(map[string]string{"DUOTEL_DISCOVERY": "http://h/"}),
	"the program does not have the store":             fromEnv(map[string]string{"DUOTEL_DISCOVERY": "etcd://h:2379/p", "OTEL_EXPORTER_PROMETHEUS_PORT": "1"}),
	"the bearer token's file holds no token": func(s *scene) {
		file := filepath.Join(s.TempDir(), "token")
		s.done(os.WriteFile(file, []byte("\n"), 0o600))
		_, err := telemetry.BearerTokenFile(file)
		s.failed(err)
	},
}

// pushTo is a start with an endpoint. Names with two dots in a row are refused before anybody is asked.
func pushTo(endpoint string, protocol exporter.Protocol, exits ...telemetry.ExporterName) func(*scene) {
	return func(s *scene) {
		s.start(telemetry.Config{ServiceName: "shop", Exporters: exits, Push: telemetry.PushConfig{Endpoint: endpoint, Protocol: protocol}})
	}
}

var startWarnings = map[string]func(*scene){
	"the service has no name":                       func(s *scene) { s.start(telemetry.Config{}) },
	"an endpoint without a path":                    pushTo("http://127.0.0.1:1", ""),
	"an endpoint with the path twice":               pushTo("http://127.0.0.1:1/v1/metrics/v1/metrics", ""),
	"another signal's path":                         pushTo("http://127.0.0.1:1/v1/traces", ""),
	"gRPC's port with HTTP":                         pushTo("http://h..invalid:4317/v1/metrics", ""),
	"HTTP's port with gRPC":                         pushTo("http://h..invalid:4318", exporter.ProtocolGRPC),
	"a known backend wants a header":                pushTo("https://a..axiom.co/v1/metrics", ""),
	"a known backend does not take the protocol":    pushTo("https://a..grafana.net", exporter.ProtocolGRPC),
	"a known backend does not take the temporality": pushTo("https://a..dynatrace.com/v1/metrics", ""),
	"an endpoint is set and nothing is pushed":      pushTo("http://127.0.0.1:1/v1/metrics", "", telemetry.ExporterPrometheus),
	"the process is listed where nobody finds it": func(s *scene) {
		s.start(telemetry.Config{ServiceName: "shop", Listener: telemetry.ListenerConfig{Port: -1}, Discovery: telemetry.DiscoveryConfig{URL: "http://127.0.0.1:1"}})
	},
	"the process is to be listed, and has no page": func(s *scene) {
		s.start(telemetry.Config{ServiceName: "shop", Exporters: []telemetry.ExporterName{telemetry.ExporterNone}, Discovery: telemetry.DiscoveryConfig{URL: "http://127.0.0.1:1"}})
	},
	"a listener without /metrics": func(s *scene) {
		s.start(telemetry.Config{ServiceName: "shop", Exporters: []telemetry.ExporterName{telemetry.ExporterNone}, Listener: telemetry.ListenerConfig{Port: -1}})
	},
}
