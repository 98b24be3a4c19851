package sd

import (
	"io"
	"net/http"

	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/telemetry"
)

// newHandler returns all that the server answers, measured by sdk.
func newHandler(registry *discovery.Registry, sdk *telemetry.SDK, authority *authority) http.Handler {
	refused := &refusals{}
	mux := http.NewServeMux()
	mux.Handle("/v1/", refused.watch(registry.API(authority.authorize)))
	mux.Handle("/sd", registry.Handler())
	mux.Handle("GET /metrics", sdk.MetricsHandler())
	mux.Handle("GET /{$}", &page{registry, refused, authority})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !registry.Status().Loaded {
			say(w, http.StatusServiceUnavailable, "not ready: "+discovery.ErrNotLoaded.Error())
			return
		}
		say(w, http.StatusOK, "ok")
	})
	return sdk.Middleware(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, req)
	}))
}

func say(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, sentence+"\n") // who has left does not need the rest
}
