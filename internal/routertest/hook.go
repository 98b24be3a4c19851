// Package routertest tells the middleware the routes of routers other than [http.ServeMux], and tests that
// with the routers themselves. It is a module of its own, so that the library depends on none of them. The
// hooks are the ones that docs/http.md shows.
package routertest

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"

	"github.com/duotel/duotel/middleware"
)

// chiRoute goes into router.Use of the outermost chi.Router. chi knows the pattern when the request was routed.
func chiRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { middleware.SetRoute(w, chi.RouteContext(r.Context()).RoutePattern()) }()
		next.ServeHTTP(w, r)
	})
}

// ginRoute goes into engine.Use.
func ginRoute(c *gin.Context) {
	middleware.SetRoute(c.Writer, c.FullPath())
}

// echoRoute goes into e.Use.
func echoRoute(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		middleware.SetRoute(c.Response(), c.Path())
		return next(c)
	}
}

// gorillaRoute goes into router.Use of the outermost mux.Router.
func gorillaRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if route, err := mux.CurrentRoute(r).GetPathTemplate(); err == nil {
			middleware.SetRoute(w, route)
		}
		next.ServeHTTP(w, r)
	})
}
