package telemetry_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// brief is for a push that is tried again as long as there is time. Its first try is over by then on any machine.
const brief = 2 * time.Second

// outage is the answer of a backend that is down and says for how long, so that a push does not try again.
var outage = telemetrytest.Unavailable(time.Hour)

// pushed starts an SDK, does things and pushes once.
func (s *scene) pushed(cfg telemetry.PushConfig, do ...func()) {
	cfg.Interval, cfg.Timeout = time.Hour, cfg.ExportTimeout/2
	s.start(telemetry.Config{ServiceName: "shop", Push: cfg})
	for _, f := range do {
		f()
	}
	_ = s.sdk.ForceFlush(s.Context())
}

// answered is a push that is given an answer, within a time of the default's or the one given.
func answered(a telemetrytest.Answer, timeout ...time.Duration) func(*scene) {
	return func(s *scene) {
		backend := telemetrytest.NewBackend(s)
		backend.Default(a)
		s.pushed(telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), ExportTimeout: append(timeout, 0)[0]})
	}
}

// unreached is a push that does not get through.
func unreached(endpoint string) func(*scene) {
	return func(s *scene) { s.pushed(telemetry.PushConfig{Endpoint: endpoint, ExportTimeout: brief}) }
}

var refused = unreached("http://127.0.0.1:1/v1/metrics")

var pushStates = map[string]func(*scene){
	"the first push was accepted": answered(telemetrytest.Accept()),
	"a push failed":               answered(outage),
	"it is well again": func(s *scene) {
		backend := telemetrytest.NewBackend(s)
		backend.Default(outage)
		s.pushed(telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()})
		backend.Default(telemetrytest.Accept())
		s.done(s.sdk.ForceFlush(s.Context()))
	},
	"the backend took the request and not all points": answered(telemetrytest.PartialSuccess(3, "too old")),
	"a series that the backend refuses, and everything with it": func(s *scene) {
		backend := telemetrytest.NewBackend(s)
		backend.RefuseContent(telemetrytest.Status(http.StatusInternalServerError), func(r telemetrytest.Request) bool { return r.HasMetric("jobs") })
		s.pushed(telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()}, func() { s.jobs("a") })
		for range 2 {
			_ = s.sdk.ForceFlush(s.Context())
		}
	},
	"a callback hangs": func(s *scene) {
		backend := telemetrytest.NewBackend(s)
		end := func() {}
		s.pushed(telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), ExportTimeout: brief}, func() { end = s.hang() })
		end()
	},
	"a registry fails": func(s *scene) {
		backend := telemetrytest.NewBackend(s)
		s.pushed(telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()}, func() { s.sdk.Registerer().MustRegister(disk{}) })
	},
	"a backend would refuse a metric": func(s *scene) {
		backend := telemetrytest.NewBackend(s)
		s.pushed(telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()}, func() { s.jobs("a\xff") })
	},
}

// pushReasons adds to each reason that the metric and the state have it, too.
func pushReasons() map[string]func(*scene) {
	statuses := map[string]int{
		"unauthenticated": 401, "forbidden": 403, "not_found": 404, "redirect": 302, "bad_request": 400, "client_error": 418,
		"too_large": 413, "server_error": 500,
	}
	cases := map[string]func(*scene){
		"not_otlp": answered(telemetrytest.HTML("<title>Log in</title>")),
		"tls": func(s *scene) {
			s.pushed(telemetry.PushConfig{Endpoint: telemetrytest.NewBackend(s, telemetrytest.WithTLS()).HTTPEndpoint()})
		},
		"dns":         unreached("http://h..invalid/v1/metrics"),
		"refused":     refused,
		"reset":       answered(telemetrytest.Reset(), brief),
		"timeout":     answered(telemetrytest.Hang(), brief),
		"throttled":   answered(telemetrytest.TooManyRequests(time.Hour)),
		"unavailable": answered(outage),
		"network":     foreign,
	}
	for reason, status := range statuses {
		cases[reason] = answered(telemetrytest.Status(status))
	}
	for reason, happen := range cases {
		cases[reason] = func(s *scene) {
			happen(s)
			st := s.sdk.Status().Push
			line := fmt.Sprintf("duotel_push_failures_total{error_type=%q", reason)
			if st.Failures[reason] == 0 || st.LastReason != reason || !strings.Contains(scrape(s.sdk.MetricsHandler()).Body.String(), line) {
				s.Errorf("%s is not the reason, or not in /metrics: %+v", reason, st)
			}
		}
	}
	return cases
}

// foreign pushes to a server that speaks something else.
func foreign(s *scene) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = conn.Write([]byte("220 mail ready\r\n"))
		_ = conn.Close()
	}))
	defer server.Close()
	unreached(server.URL + "/v1/metrics")(s)
}

// spool fills a directory while its backend is down.
func (s *scene) spool() (backend *telemetrytest.Backend, cfg telemetry.PushConfig) {
	backend = telemetrytest.NewBackend(s)
	backend.Default(outage)
	cfg = telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), SpoolDir: s.TempDir()}
	s.pushed(cfg)
	return backend, cfg
}

var spooled = map[string]func(*scene){
	"the backend is down": func(s *scene) { s.spool() },
	"it is back": func(s *scene) {
		backend, cfg := s.spool()
		s.stopped(time.Minute)
		backend.Default(telemetrytest.Accept())
		s.pushed(cfg)
	},
	"a file is damaged, or far too large": func(s *scene) {
		backend, cfg := s.spool()
		for _, file := range must(filepath.Glob(filepath.Join(cfg.SpoolDir, "*.otlp"))) {
			s.done(os.WriteFile(file, []byte("rubbish"), 0o600))
		}
		large := filepath.Join(cfg.SpoolDir, "duotel-9000000000000000000-0000000001-0123456789abcdef.otlp")
		s.done(os.WriteFile(large, nil, 0o600))
		s.done(os.Truncate(large, 3<<30))
		backend.Default(telemetrytest.Accept())
		s.done(s.sdk.ForceFlush(s.Context()))
	},
	"the spool cannot be written to": func(s *scene) {
		backend, dir := telemetrytest.NewBackend(s), filepath.Join(s.TempDir(), "spool")
		backend.Default(outage)
		s.pushed(telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), SpoolDir: dir}, func() { s.done(os.RemoveAll(dir)) })
	},
	"it can be written to again": func(s *scene) {
		backend, dir := telemetrytest.NewBackend(s), filepath.Join(s.TempDir(), "spool")
		backend.Default(outage)
		s.pushed(telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), SpoolDir: dir}, func() { s.done(os.RemoveAll(dir)) })
		s.done(os.Mkdir(dir, 0o700))
		s.failed(s.sdk.ForceFlush(s.Context()))
	},
}

// handled is one request through the middleware.
func handled(handler http.HandlerFunc, around ...func(http.ResponseWriter) http.ResponseWriter) func(*scene) {
	return func(s *scene) {
		s.start(telemetry.Config{})
		mux := http.NewServeMux()
		mux.HandleFunc("GET /items", handler)
		ctx, cancel := context.WithCancel(s.Context())
		defer cancel()
		r := httptest.NewRequest(http.MethodGet, "/items", nil).WithContext(context.WithValue(ctx, leave{}, cancel))
		defer func() { _ = recover() }()
		w := http.ResponseWriter(httptest.NewRecorder())
		for _, f := range around {
			w = f(w)
		}
		s.sdk.Middleware(mux).ServeHTTP(w, r)
	}
}

// pastTimeout makes a writer one whose deadline is over.
func pastTimeout(w http.ResponseWriter) http.ResponseWriter { return pastDeadline{w} }

type pastDeadline struct{ http.ResponseWriter }

func (pastDeadline) Write([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// leave is the key of what makes the client go away.
type leave struct{}

var numbers = map[string]func(*scene){
	"an instrument nears its limit": func(s *scene) {
		s.start(telemetry.Config{CardinalityLimit: 6})
		s.jobs("a", "b", "c", "d", "e")
	},
	"an instrument is at its limit": func(s *scene) {
		s.start(telemetry.Config{CardinalityLimit: 3})
		s.jobs("a", "b", "c", "d", "e")
	},
	"requests without a route": func(s *scene) {
		s.start(telemetry.Config{})
		s.sdk.Middleware(http.NewServeMux()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/wp-admin", nil))
	},
	"requests that panicked":             handled(func(http.ResponseWriter, *http.Request) { panic("a panic") }),
	"responses that were broken off":     handled(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
	"responses past their write timeout": handled(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(nil) }, pastTimeout),
	"clients that left":                  handled(func(_ http.ResponseWriter, r *http.Request) { r.Context().Value(leave{}).(context.CancelFunc)() }),
}

// stopped is a shutdown that cannot push.
func (s *scene) stopped(within time.Duration) {
	ctx, cancel := context.WithTimeout(s.Context(), within)
	defer cancel()
	s.failed(s.sdk.Shutdown(ctx))
}

// refusedWithSpool is a shutdown whose last push is refused, of a process that has a spool.
func (s *scene) refusedWithSpool(status int) {
	backend := telemetrytest.NewBackend(s)
	backend.Default(telemetrytest.Status(status))
	s.start(telemetry.Config{Push: telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), SpoolDir: s.TempDir()}})
	s.stopped(time.Minute)
}

var stopping = map[string]func(*scene){
	"the backend refuses the last push": func(s *scene) {
		answered(telemetrytest.Status(http.StatusUnauthorized))(s)
		s.stopped(time.Minute)
	},
	"the backend refuses the last push, and there is a spool": func(s *scene) {
		s.refusedWithSpool(http.StatusUnauthorized)
	},
	"the backend refuses what is in the last push, and there is a spool": func(s *scene) {
		s.refusedWithSpool(http.StatusBadRequest)
	},
	"the backend hangs": func(s *scene) {
		backend := telemetrytest.NewBackend(s)
		backend.Default(telemetrytest.Status(http.StatusInternalServerError))
		s.pushed(telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()})
		backend.Default(telemetrytest.Hang())
		s.stopped(brief / 4)
	},
	"the backend is down and there is a spool": func(s *scene) {
		s.spool()
		s.stopped(time.Minute)
	},
}
