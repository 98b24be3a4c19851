package report

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// peers are the modules whose versions a reader wants to know.
var peers = []string{
	"go.opentelemetry.io/otel/sdk/metric",
	"go.opentelemetry.io/otel/exporters/prometheus",
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp",
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
	"github.com/prometheus/client_golang",
	"github.com/VictoriaMetrics/metrics",
	"github.com/slok/go-http-metrics",
	"github.com/gin-gonic/gin",
	"github.com/zsais/go-gin-prometheus",
	"github.com/labstack/echo/v4",
	"github.com/labstack/echo-contrib",
}

// Versions writes where and with what the numbers are made.
func (r *Report) Versions() {
	r.Section("What ran", fmt.Sprintf("%s, %s/%s, GOMAXPROCS=%d, %s.",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), time.Now().UTC().Format(time.DateOnly)))
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
	}
	var rows [][]string
	for _, m := range info.Deps {
		if slices.Contains(peers, m.Path) {
			rows = append(rows, []string{m.Path, m.Version})
		}
	}
	r.Table("", []string{"module", "version"}, rows)
}
