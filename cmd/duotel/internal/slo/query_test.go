package slo

import (
	"testing"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/rulestest"
)

// valuesAt returns what an expression has an hour after the first of the samples, of which there is one a minute.
func valuesAt(t *testing.T, series []rulestest.Series, expr string) (out []float64) {
	t.Helper()
	s := rulestest.Simulation{Series: series, Interval: time.Minute, Every: time.Hour, End: time.Hour}
	err := rulestest.Simulate(s, func(at time.Duration, w *rulestest.World) error {
		if at != s.End {
			return nil
		}
		samples, err := w.Query(expr)
		for _, sample := range samples {
			out = append(out, sample.F)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
