package exporter

import (
	"cmp"
	"io"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/clean"
	"github.com/duotel/duotel/exporter/internal/exposition"
)

// writeProtobuf answers in the formats that have native histograms. The official exporter renders
// what the Source collected, after everything that would fail it is mended.
func (p *Pull) writeProtobuf(w io.Writer, format expfmt.Format, page page) (exposition.Result, error) {
	cleaner := clean.New()
	scopes, _ := cleaner.Scopes(summariesAsHistograms(filterScopes(page.snap.Scopes, p.cfg.Filter)))
	own, renderErr := p.official.families(inOrder(scopes))
	for _, message := range omissions(renderErr) {
		p.stats.drop(string(exposition.ReasonInvalidData), 1)
		p.report("left out of the scrape: " + message)
	}
	result := exposition.Result{Repaired: cleaner.Series()}
	out := &counter{w: w}
	encoder := expfmt.NewEncoder(out, format)
	var err error
	for _, mf := range p.combine(own, page.families, &result) {
		mf = p.admitted(mf, page)
		if len(mf.Metric) == 0 {
			continue
		}
		result.Series += len(mf.Metric)
		if err = encoder.Encode(mf); err != nil {
			break
		}
	}
	result.Bytes = out.n
	return result, err
}

// inOrder sorts scopes and metrics as the text encoder does, so that of two metrics with one name
// the same one is first, and wins, in every format and every process.
func inOrder(scopes []metricdata.ScopeMetrics) []metricdata.ScopeMetrics {
	scopes = slices.Clone(scopes)
	slices.SortStableFunc(scopes, func(a, b metricdata.ScopeMetrics) int {
		return cmp.Or(
			cmp.Compare(a.Scope.Name, b.Scope.Name), cmp.Compare(a.Scope.Version, b.Scope.Version), cmp.Compare(a.Scope.SchemaURL, b.Scope.SchemaURL),
		)
	})
	for i := range scopes {
		scopes[i].Metrics = slices.Clone(scopes[i].Metrics)
		slices.SortStableFunc(scopes[i].Metrics, func(a, b metricdata.Metrics) int { return cmp.Compare(a.Name, b.Name) })
	}
	return scopes
}

// combine returns own and those of the registries' families that own has not, sorted by name.
func (p *Pull) combine(own, registries []*dto.MetricFamily, result *exposition.Result) []*dto.MetricFamily {
	all := slices.Clone(own)
	for _, mf := range registries {
		if slices.ContainsFunc(own, func(o *dto.MetricFamily) bool { return o.GetName() == mf.GetName() }) {
			result.Dropped = append(result.Dropped, exposition.Dropped{Name: mf.GetName(), Reason: exposition.ReasonDuplicateFamily, Series: len(mf.Metric)})
			continue
		}
		all = append(all, mf)
	}
	slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return all
}

// admitted returns what of mf the scraper may see, with the constant labels. mf may be shared by
// concurrent scrapes, so what changes is a copy.
func (p *Pull) admitted(mf *dto.MetricFamily, page page) *dto.MetricFamily {
	if _, ok := page.names[mf.GetName()]; !ok && page.names != nil {
		return &dto.MetricFamily{}
	}
	if len(p.labels) == 0 && page.admit == nil {
		return mf
	}
	metrics := make([]*dto.Metric, 0, len(mf.Metric))
	for _, m := range mf.Metric {
		m = withLabels(m, p.labels)
		if page.admit == nil || page.admit(mf.GetName(), exposition.LabelsOf(m.Label)) {
			metrics = append(metrics, m)
		}
	}
	return &dto.MetricFamily{Name: mf.Name, Help: mf.Help, Type: mf.Type, Unit: mf.Unit, Metric: metrics}
}

// counter counts the bytes that pass.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
