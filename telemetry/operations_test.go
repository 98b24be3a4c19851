package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"

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
	tables := []map[string]func(*scene){startErrors, startWarnings, refusedScrapes, missingSeries, pushStates, pushReasons(), spooled, numbers, stopping}
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
				happen := cases[symptom]
				if happen == nil {
					t.Fatal("nothing makes this happen")
				}
				s := &scene{T: t, said: map[string]string{}}
				happen(s)
				s.close()
				for column, quotation := range row {
					s.check(column, quotation)
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
	"the log": inLog, "`/metrics`": inPage, "`/metrics` later": inPage, "the answer": inAnswer, "the error": inError, "`SDK.Status()`": inStatus,
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

// close reads what the SDK says of itself and stops it.
func (s *scene) close() {
	if s.sdk != nil {
		scrape(s.sdk.MetricsHandler()) // which may share a collection that began before what is looked for
		s.said[inPage] = regexp.MustCompile(`(?m)^(# |go_|process_).*\n`).ReplaceAllString(scrape(s.sdk.MetricsHandler()).Body.String(), "")
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		_ = s.sdk.Shutdown(ctx)
		if s.said[inStatus] == "" && s.sdk.Status().Push != nil {
			s.said[inStatus] = fmt.Sprintf("%+v", *s.sdk.Status().Push)
		}
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
	"a header cannot be read":                    fromEnv(map[string]string{"OTEL_EXPORTER_OTLP_METRICS_HEADERS": "Authorization=Bearer x"}),
	"the endpoint has no scheme":                 fromEnv(map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "h:4318"}),
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
		s.failed(os.WriteFile(file, nil, 0o600))
		s.start(telemetry.Config{Push: telemetry.PushConfig{Endpoint: "http://127.0.0.1:1/v1/metrics", SpoolDir: filepath.Join(file, "spool")}})
	},
	"WithStrictPush, and the backend refuses": func(s *scene) {
		backend := telemetrytest.NewBackend(s, telemetrytest.WithBearer("x"))
		s.start(telemetry.Config{Push: telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()}}, telemetry.WithStrictPush())
	},
	"the bearer token's file holds no token": func(s *scene) {
		file := filepath.Join(s.TempDir(), "token")
		s.failed(os.WriteFile(file, []byte("\n"), 0o600))
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
	"a listener without /metrics": func(s *scene) {
		s.start(telemetry.Config{ServiceName: "shop", Exporters: []telemetry.ExporterName{telemetry.ExporterNone}, Listener: telemetry.ListenerConfig{Port: -1}})
	},
}

// ask scrapes and keeps the answer.
func (s *scene) ask(r *http.Request) {
	w := httptest.NewRecorder()
	s.sdk.MetricsHandler().ServeHTTP(w, r)
	s.said[inAnswer] += fmt.Sprintf("%d %s", w.Code, w.Body)
}

func request() *http.Request { return httptest.NewRequest(http.MethodGet, "/metrics", nil) }

// hang adds a callback that does not return until the function it returns is called.
func (s *scene) hang() (end func()) {
	hung := make(chan struct{})
	must(s.sdk.MeterProvider().Meter("app").Int64ObservableGauge("stuck", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		<-hung
		return nil
	})))
	return sync.OnceFunc(func() { close(hung) })
}

// deny scrapes once without the right to and then, so that there is a page, with it.
func deny(err error) func(*scene) {
	return func(s *scene) {
		var mu sync.Mutex
		s.start(telemetry.Config{}, telemetry.WithAuthorizer(func(*http.Request) (exporter.SeriesFilter, error) {
			mu.Lock()
			defer mu.Unlock()
			defer func() { err = nil }()
			return nil, err
		}))
		s.ask(request())
	}
}

var refusedScrapes = map[string]func(*scene){
	"a callback or collector hangs": func(s *scene) {
		s.start(telemetry.Config{})
		end := s.hang()
		defer end()
		r := request()
		r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "0.05")
		s.ask(r)
	},
	"too many scrapes at once": func(s *scene) {
		arrived, leave := make(chan struct{}), make(chan struct{})
		var scrapes sync.WaitGroup
		s.start(telemetry.Config{}, telemetry.WithAuthorizer(func(*http.Request) (exporter.SeriesFilter, error) {
			select {
			case arrived <- struct{}{}:
			case <-leave:
			}
			<-leave
			return nil, nil
		}))
		for range exporter.DefaultMaxInFlight {
			scrapes.Go(func() { scrape(s.sdk.MetricsHandler()) })
			<-arrived
		}
		s.ask(request())
		close(leave)
		scrapes.Wait()
	},
	"the collection fails as a whole": func(s *scene) {
		once := new(sync.Once)
		broken := func(sdkmetric.Aggregation) exemplar.ReservoirProvider {
			return func(attribute.Set) exemplar.Reservoir { return brokenReservoir{once} }
		}
		s.start(telemetry.Config{ExemplarFilter: telemetry.ExemplarAlwaysOn}, telemetry.WithView(sdkmetric.NewView(
			sdkmetric.Instrument{Name: "broken"}, sdkmetric.Stream{ExemplarReservoirProviderSelector: broken},
		)))
		must(s.sdk.MeterProvider().Meter("app").Int64ObservableGauge("broken", metric.WithInt64Callback(
			func(_ context.Context, o metric.Int64Observer) error { o.Observe(1); return nil },
		)))
		s.ask(request())
		if !strings.Contains(s.logged.String(), "pull: collect:") {
			s.Errorf("the log does not say why: %s", s.logged.String())
		}
	},
	"the scraper does not say who it is": func(s *scene) {
		file := filepath.Join(s.TempDir(), "token")
		s.failed(os.WriteFile(file, []byte("s3cr3t\n"), 0o600))
		admit := must(telemetry.BearerTokenFile(file))
		s.start(telemetry.Config{}, telemetry.WithAuthorizer(func(r *http.Request) (exporter.SeriesFilter, error) {
			if r.Header.Get("Authorization") == "" && s.said[inAnswer] != "" {
				return nil, nil // the scrape that looks at the outcome
			}
			return admit(r)
		}))
		s.ask(request())
	},
	"the authorizer says no": deny(errors.New("not for you")),
	"the method is not GET or HEAD": func(s *scene) {
		s.start(telemetry.Config{})
		s.ask(httptest.NewRequest(http.MethodPost, "/metrics", nil))
	},
	"the scraper leaves before the answer": func(s *scene) {
		s.start(telemetry.Config{})
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		s.ask(request().WithContext(ctx))
	},
	"the process is stopping": func(s *scene) {
		s.start(telemetry.Config{})
		s.failed(s.sdk.Shutdown(s.Context()))
		s.ask(request())
	},
	"there is no pull exit": func(s *scene) {
		s.start(telemetry.Config{Exporters: []telemetry.ExporterName{telemetry.ExporterNone}})
		s.ask(request())
	},
}

// brokenReservoir panics once where nothing guards a collection.
type brokenReservoir struct{ once *sync.Once }

func (brokenReservoir) Offer(context.Context, time.Time, exemplar.Value, []attribute.KeyValue) {}

func (b brokenReservoir) Collect(*[]exemplar.Exemplar) {
	b.once.Do(func() { panic("broken reservoir") })
}
