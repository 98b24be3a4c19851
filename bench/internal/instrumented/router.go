package instrumented

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo-contrib/echoprometheus"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	ginprometheus "github.com/zsais/go-gin-prometheus"

	"github.com/duotel/duotel/middleware"
	"github.com/duotel/duotel/telemetry"
)

// The names of the routers, and of the ways of measuring them.
const (
	BareGin        = "bare gin"
	DuotelGin      = "duotel around gin"
	GinPrometheus  = "zsais/go-gin-prometheus"
	BareEcho       = "bare echo"
	DuotelEcho     = "duotel around echo"
	EchoPrometheus = "labstack/echo-contrib/echoprometheus"
)

// routed is the route that [Path] has in gin and echo.
const routed = "/items/:id"

// Gin is the service in gin behind each way of measuring it, the bare one first.
func Gin() []Handler {
	return []Handler{{BareGin, ginService(), func() {}}, newDuotelAround(DuotelGin, ginService(ginRoute)), newGinPrometheus()}
}

// Echo is the service in echo behind each way of measuring it, the bare one first.
func Echo() []Handler {
	return []Handler{{BareEcho, echoService(), func() {}}, newDuotelAround(DuotelEcho, echoService(echoRoute)), newEchoPrometheus()}
}

func ginService(before ...gin.HandlerFunc) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Use(before...)
	e.GET(routed, func(c *gin.Context) { _, _ = c.Writer.Write(ok) })
	return e
}

func echoService(before ...echo.MiddlewareFunc) http.Handler {
	e := echo.New()
	e.Use(before...)
	e.GET(routed, func(c echo.Context) error {
		_, err := c.Response().Write(ok)
		return err
	})
	return e
}

// ginRoute is the documented hook.
func ginRoute(c *gin.Context) {
	middleware.SetRoute(c.Writer, c.FullPath())
}

// echoRoute is the documented hook.
func echoRoute(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		middleware.SetRoute(c.Response(), c.Path())
		return next(c)
	}
}

// newDuotelAround measures a router that tells its routes.
func newDuotelAround(name string, router http.Handler) Handler {
	s, shutdown := newSDK(telemetry.HTTPNamesSemconv)
	h := Handler{name, s.Middleware(router), shutdown}
	return proven(h, s.MetricsHandler(), "http_server_request_duration_seconds_count")
}

// newGinPrometheus has its four metrics: a count, duration, both sizes. Its url label is the route.
func newGinPrometheus() Handler {
	// It registers with the default registry and can be given no other.
	registry, before := prometheus.NewRegistry(), prometheus.DefaultRegisterer
	prometheus.DefaultRegisterer = registry
	p := ginprometheus.NewPrometheus("gin")
	prometheus.DefaultRegisterer = before
	p.ReqCntURLLabelMappingFn = (*gin.Context).FullPath
	h := Handler{GinPrometheus, ginService(p.HandlerFunc()), func() {}}
	return proven(h, page(registry), "gin_requests_total")
}

// newEchoPrometheus has its four metrics: a count, duration, both sizes.
func newEchoPrometheus() Handler {
	registry := prometheus.NewRegistry()
	m := must(echoprometheus.MiddlewareConfig{Registerer: registry}.ToMiddleware())
	return proven(Handler{EchoPrometheus, echoService(m), func() {}}, page(registry), "echo_requests_total")
}

func page(g prometheus.Gatherer) http.Handler { return promhttp.HandlerFor(g, promhttp.HandlerOpts{}) }

// proven panics unless h, having served a few requests, has counted them under their route: what measures
// nothing costs nothing.
func proven(h Handler, page http.Handler, count string) Handler {
	const requests = 3
	for range requests {
		h.HTTP.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, Path, nil))
	}
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		labels, value, _ := strings.Cut(line, "} ")
		if strings.HasPrefix(labels, count+"{") && strings.Contains(labels, `="`+routed+`"`) && value == fmt.Sprintln(requests) {
			return h
		}
	}
	panic(fmt.Sprintf("instrumented: %s: %s is not %d for %s", h.Name, count, requests, routed))
}
