package exporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/duotel/duotel/exporter/internal/exposition"
)

// answer is one scrape: who may see what, the collection, the format, the bytes.
func (p *Pull) answer(w http.ResponseWriter, r *http.Request, cut *cutter) {
	admit, ok := p.authorize(w, r)
	if !ok {
		return
	}
	w.Header().Add("Vary", "Accept")
	format, ok := negotiate(r.Header)
	if !ok {
		p.notAcceptable(w, r)
		return
	}
	begin := time.Now()
	timeout := p.timeout(r)
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	snap, families, release, err := p.collect(ctx, cut)
	if err != nil {
		p.answerFailure(w, err, timeout)
		return
	}
	defer release()
	w.Header().Set("Content-Type", string(format))
	page := page{snap: snap, families: families, admit: admit, names: names(r)}
	result, err := p.write(w, format, page)
	p.leftOut(result.Dropped, err == nil && page.admit == nil && page.names == nil)
	if err != nil {
		p.stats.scraped(outcomeClient)
		return
	}
	p.stats.served(time.Since(begin), result)
}

// page is what one scrape shows.
type page struct {
	snap     *Snapshot
	families []*dto.MetricFamily
	admit    SeriesFilter
	names    map[string]struct{}
}

// write encodes the page in format. All formats are written from the same repaired view of the series.
func (p *Pull) write(w http.ResponseWriter, format expfmt.Format, page page) (exposition.Result, error) {
	how := exposition.Format{Escaping: format.ToEscapingScheme(), Created: !p.cfg.WithoutCreated}
	in := exposition.Input{
		Resource: p.cfg.Resource,
		Scopes:   page.snap.Scopes,
		Families: page.families,
		Names:    page.names,
		Series:   page.admit,
	}
	switch format.FormatType() {
	case expfmt.TypeProtoText, expfmt.TypeProtoCompact:
		how.Protobuf = true
		return p.writeReadable(w, format, how, in)
	case expfmt.TypeProtoDelim:
		how.Protobuf = true
	case expfmt.TypeOpenMetrics:
		how.OpenMetrics = true
	case expfmt.TypeTextPlain, expfmt.TypeUnknown:
	}
	return p.encoder.Encode(w, how, in)
}

// collect returns what to show, and what gives it back: the shared collection, and what the registries gathered.
func (p *Pull) collect(ctx context.Context, cut *cutter) (*Snapshot, []*dto.MetricFamily, func(), error) {
	if p.closed.Load() {
		return nil, nil, nil, ErrShutdown
	}
	// The registries first: a place is not held while one of them hangs.
	families, done, err := p.gatherer.Do(ctx, false)
	done() // families are not recycled
	if err != nil {
		return nil, nil, nil, err
	}
	snap, release, err := p.held.collect(ctx, p.cfg.Source, cut)
	if err != nil {
		return nil, nil, nil, err
	}
	return snap, families, release, nil
}

// gather is the run that concurrent scrapes share.
func (p *Pull) gather(context.Context) ([]*dto.MetricFamily, error) {
	families, err := merge(p.cfg.Gatherers, p.cfg.Fallback)
	for _, message := range omissions(err) {
		p.stats.drop(string(dropGather), 1)
		p.gathers.Failed(message, errors.New("pull: left out of the scrape: "+message))
	}
	p.gathers.End()
	return families, nil
}

func (p *Pull) answerFailure(w http.ResponseWriter, err error, timeout time.Duration) {
	switch {
	case p.closed.Load(), errors.Is(err, ErrShutdown):
		p.refuse(w, outcomeShutdown, "metrics are shut down; this process is stopping")
	case errors.Is(err, errHeld):
		p.refuse(w, outcomeBusy, fmt.Sprintf("clients that do not read their answers hold %d collections, which is the limit; try again later", maxHeld))
	case errors.Is(err, context.DeadlineExceeded):
		p.refuse(w, outcomeTimeout, fmt.Sprintf("the collection did not end within %s; a callback or a collector may be hanging", timeout))
	case errors.Is(err, context.Canceled):
		p.refuse(w, outcomeClient, "the scraper went away")
	default:
		line, _, _ := strings.Cut(err.Error(), "\n") // a stack differs each time
		p.scrapes.Failed(line, errors.New("pull: "+line))
		p.scrapes.End()
		p.refuse(w, outcomeError, "the collection failed; the service's log says why")
	}
}

// leftOut counts what the encoder kept out, and reports each metric when that begins.
//
// One that is not in a whole answer is over. An answer of a part says nothing of the rest.
func (p *Pull) leftOut(dropped []exposition.Dropped, whole bool) {
	for _, d := range dropped {
		p.stats.drop(string(d.Reason), int64(d.Series))
		err := fmt.Errorf("pull: left out of the scrape: %s: metric %q of scope %q, shown as %s", d.Reason, d.Metric, d.Scope, d.Name)
		p.scrapes.Failed(err.Error(), err)
	}
	if whole {
		p.scrapes.End()
	}
}

// names is promhttp's name[] filter: the families to show, nil for all.
func names(r *http.Request) map[string]struct{} {
	if r.URL == nil { // a request that was made by hand
		return nil
	}
	list := r.URL.Query()["name[]"]
	if len(list) == 0 {
		return nil
	}
	set := make(map[string]struct{}, len(list))
	for _, name := range list {
		set[name] = struct{}{}
	}
	return set
}
