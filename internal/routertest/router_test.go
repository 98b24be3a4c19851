package routertest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/duotel/duotel/middleware"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func leaf(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "item") }

func panics(http.ResponseWriter, *http.Request) { panic("as planned") }

// copied is a middleware that copies the request on its way to the router, as many do.
func copied(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		type key struct{}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, 1)))
	})
}

// Each router has the same routes: GET /items/{id}, GET /api/items/{id} in a sub-router, GET /panics, and
// /dir/, to which /dir is redirected.

func serveMux() http.Handler {
	api := http.NewServeMux()
	api.HandleFunc("GET /items/{id}", leaf)
	m := http.NewServeMux()
	m.HandleFunc("GET /items/{id}", leaf)
	m.Handle("/api/", http.StripPrefix("/api", middleware.Routes(api)))
	m.HandleFunc("GET /panics", panics)
	m.HandleFunc("GET /dir/", leaf)
	return middleware.Routes(m)
}

func chiRouter() http.Handler {
	r := chi.NewRouter()
	r.Use(chiRoute)
	r.Get("/items/{id}", leaf)
	r.Route("/api", func(api chi.Router) { api.Get("/items/{id}", leaf) })
	r.Get("/panics", panics)
	r.Get("/dir", http.RedirectHandler("/dir/", http.StatusMovedPermanently).ServeHTTP)
	r.Get("/dir/", leaf)
	return r
}

func ginRouter() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.Use(ginRoute)
	e.GET("/items/:id", gin.WrapF(leaf))
	e.Group("/api").GET("/items/:id", gin.WrapF(leaf))
	e.GET("/panics", gin.WrapF(panics))
	e.GET("/dir/", gin.WrapF(leaf))
	return e
}

func echoRouter() http.Handler {
	e := echo.New()
	e.Use(echoRoute)
	e.GET("/items/:id", echo.WrapHandler(http.HandlerFunc(leaf)))
	e.Group("/api").GET("/items/:id", echo.WrapHandler(http.HandlerFunc(leaf)))
	e.GET("/panics", echo.WrapHandler(http.HandlerFunc(panics)))
	e.GET("/dir", func(c echo.Context) error { return c.Redirect(http.StatusMovedPermanently, "/dir/") })
	e.GET("/dir/", echo.WrapHandler(http.HandlerFunc(leaf)))
	return e
}

func gorillaRouter() http.Handler {
	r := mux.NewRouter().StrictSlash(true)
	r.Use(gorillaRoute)
	r.HandleFunc("/items/{id}", leaf).Methods("GET")
	r.PathPrefix("/api").Subrouter().HandleFunc("/items/{id}", leaf).Methods("GET")
	r.HandleFunc("/panics", panics).Methods("GET")
	r.HandleFunc("/dir/", leaf).Methods("GET")
	return r
}

// requests are the rows of the table: what is sent, and the status that every router answers.
var requests = []struct {
	name, method, path string
	status             int
}{
	{"match", "GET", "/items/7", 200},
	{"sub-router", "GET", "/api/items/7", 200},
	{"404", "GET", "/wp-login.php", 404},
	{"404 in the sub-router", "GET", "/api/wp-login.php", 404},
	{"405", "PUT", "/items/7", 405},
	{"redirect", "GET", "/dir", 0},
	{"panic", "GET", "/panics", 500},
}

// routers are the columns: the route that is recorded of each request. It is never a path.
var routers = []struct {
	name   string
	router func() http.Handler
	want   map[string]string
}{
	{"ServeMux", serveMux, map[string]string{
		"match": "/items/{id}", "sub-router": "/api/items/{id}", "404": "unmatched", "404 in the sub-router": "unmatched",
		"405": "unmatched", "redirect": "/dir/", "panic": "/panics",
	}},
	{"chi", chiRouter, map[string]string{
		"match": "/items/{id}", "sub-router": "/api/items/{id}", "404": "unmatched", "404 in the sub-router": "/api/*",
		"405": "unmatched", "redirect": "/dir", "panic": "/panics",
	}},
	{"gin", ginRouter, map[string]string{
		"match": "/items/:id", "sub-router": "/api/items/:id", "404": "unmatched", "404 in the sub-router": "unmatched",
		"405": "unmatched", "redirect": "unmatched", "panic": "/panics",
	}},
	{"echo", echoRouter, map[string]string{
		"match": "/items/:id", "sub-router": "/api/items/:id", "404": "unmatched", "404 in the sub-router": "unmatched",
		"405": "/items/:id", "redirect": "/dir", "panic": "/panics",
	}},
	{"gorilla", gorillaRouter, map[string]string{
		"match": "/items/{id}", "sub-router": "/api/items/{id}", "404": "unmatched", "404 in the sub-router": "unmatched",
		"405": "unmatched", "redirect": "/dir/", "panic": "/panics",
	}},
}

func TestRouters(t *testing.T) {
	wraps := map[string]func(http.Handler) http.Handler{
		"plain":          func(h http.Handler) http.Handler { return h },
		"copied request": copied,
	}
	for _, router := range routers {
		for _, r := range requests {
			for how, wrap := range wraps {
				t.Run(router.name+"/"+r.name+"/"+how, func(t *testing.T) {
					status, route := recorded(t, wrap(router.router()), r.method, r.path)
					if route != router.want[r.name] {
						t.Errorf("the route is %q, want %q", route, router.want[r.name])
					}
					if r.status != 0 && status != int64(r.status) || r.status == 0 && status/100 != 3 {
						t.Errorf("the status is %d, want %d", status, r.status)
					}
				})
			}
		}
	}
}

// recorded serves one request, and returns the status and the route that were recorded of it.
func recorded(t *testing.T, h http.Handler, method, path string) (status int64, route string) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	defer func() { _ = mp.Shutdown(context.Background()) }()
	m, err := middleware.New(middleware.WithMeterProvider(mp))
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		m.Handler(h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
	}()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	for _, metric := range rm.ScopeMetrics[0].Metrics {
		if d, ok := metric.Data.(metricdata.Histogram[float64]); ok && metric.Name == "http.server.request.duration" && len(d.DataPoints) == 1 {
			s, _ := d.DataPoints[0].Attributes.Value("http.response.status_code")
			r, _ := d.DataPoints[0].Attributes.Value("http.route")
			return s.AsInt64(), r.AsString()
		}
	}
	t.Fatalf("recorded %+v, want one request", rm.ScopeMetrics)
	return 0, ""
}

// TestDocumentedHooks wants the documentation to show the hooks that are tested here.
func TestDocumentedHooks(t *testing.T) {
	source, err := os.ReadFile("hook.go")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	_, hooks, _ := strings.Cut(string(source), "\n)\n\n")
	for hook := range strings.SplitSeq(hooks, "\n\n") {
		if !strings.Contains(string(doc), strings.TrimSpace(hook)) {
			t.Errorf("docs/http.md does not have\n%s", hook)
		}
	}
}
