package dashboards

import (
	"fmt"
	"strings"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// telemetry answers whether what the other dashboards show is true: do both exits work, what was lost on the way, and what does it cost.
func (m maker) telemetry() page {
	return page{
		key: "telemetry", title: "Telemetry health", present: "target_info",
		about: "Duotel itself: both exits, what was lost, callbacks, and series against their limits.",
		rows: []row{
			{1, "Pull: /metrics", m.pullPanels()},
			{2, "Push: OTLP", m.pushPanels()},
			{3, "Push: what was lost", m.lossPanels()},
			{4, "Callbacks", m.callbackPanels()},
			{5, "Series", m.seriesPanels()},
		},
	}
}

// each shows the greatest value of every instance.
func each(s names.Series) string { return names.Over("max", s.String(), "instance") }

func (m maker) pullPanels() []panel {
	scrapes := m.about("duotel.scrapes", "{scrape}", names.Counter)
	up := plain("up")
	return []panel{
		{
			id: 601, title: "Last scrape that worked", draw: number, unit: seconds,
			about: "How long ago Prometheus last scraped an instance and got an answer; looked for in the last hour.",
			queries: []query{{
				expr:   fmt.Sprintf("time() - max by (instance) (max_over_time(timestamp(%s == 1)[1h:15s]))", up),
				legend: instances,
			}},
			limits: below(300), alerts: []string{"TargetDown", "ServiceAbsent"},
		},
		{
			id: 602, title: "Scrapes by outcome", draw: stacked, unit: perSecond,
			about:   "Requests for the page, and how they ended.",
			queries: []query{{expr: scrapes.Rate(window, "outcome"), legend: "{{outcome}}"}}, alerts: []string{"ScrapesRefused"},
		},
		{
			id: 603, title: "Duration of a scrape", draw: lines, unit: seconds,
			about: "How long the page took, as the service and as Prometheus measured it. Prometheus gives up after its timeout, 10 s unless set.",
			queries: []query{
				{expr: each(m.about("duotel.scrape.last.duration", "s", names.Gauge)), legend: instances + " service"},
				{expr: each(plain("scrape_duration_seconds")), legend: instances + " Prometheus"},
			},
			limits: below(5), alerts: []string{"ScrapeSlow"},
		},
		{
			id: 604, title: "Age of the latest sample", draw: lines, unit: seconds,
			about:   "How far what Prometheus knows lags behind: at most the interval between scrapes when all is well.",
			queries: []query{{expr: fmt.Sprintf("time() - max by (instance) (timestamp(%s))", up), legend: instances}},
			alerts:  []string{"TargetDown"},
		},
		{
			id: 605, title: "Bytes of pages", draw: lines, unit: bytesPerSecond,
			about:   "Bytes per second that went out as pages, compressed where the scraper asked for it.",
			queries: []query{{expr: m.about("duotel.scrape.io", "By", names.Counter).Rate(window, "instance"), legend: instances}},
		},
		{
			id: 606, title: "Series dropped from the page", draw: stacked, unit: perSecond,
			about:   "Series that could not be shown, once per scrape, and why. The others on the page are not touched.",
			queries: []query{{expr: m.about("duotel.dropped_series", "{series}", names.Counter).Rate(window, "reason"), legend: "{{reason}}"}},
			alerts:  []string{"SeriesDropped"},
		},
		{
			id: 607, title: "Series repaired on the page", draw: lines, unit: perSecond,
			about:   "Series with a name, label or value that was not valid text and was made so, once per scrape.",
			queries: []query{{expr: m.about("duotel.repaired_series", "{series}", names.Counter).Rate(window, "instance"), legend: instances}},
		},
	}
}

// points selects the data points that were pushed, by how that ended.
func (m maker) points(matchers ...string) names.Series {
	return m.about("otel.sdk.exporter.metric_data_point.exported", "{data_point}", names.Counter, matchers...)
}

// push selects one of the push exit's families, by the last part of its name.
func (m maker) push(instrument, unit string, kind names.Kind) names.Series {
	return m.about("duotel.push."+instrument, unit, kind)
}

func (m maker) pushPanels() []panel {
	failed := names.Label("error.type")
	last := each(m.push("last_success.timestamp", "s", names.Gauge))
	return []panel{
		{
			id: 611, title: "Last push that worked", draw: number, unit: seconds,
			about:   "How long ago a push was accepted. There is no value before the first one, and none where the push exit is off.",
			queries: []query{{expr: "time() - " + last, legend: instances}},
			limits:  below(600), alerts: []string{"PushesStale"},
		},
		{
			id: 612, title: "Pushes that failed in a row", draw: lines, unit: none,
			about:   "It is 0 again with the first push that works.",
			queries: []query{{expr: each(m.push("consecutive_failures", "{push}", names.Gauge)), legend: instances}},
			limits:  below(4), alerts: []string{"PushesFailing"},
		},
		{
			id: 613, title: "Lag of the push exit", draw: lines, unit: seconds,
			about:   "How far the backend lags behind: the time since the last push that worked. It rises to the interval of pushes and falls again.",
			queries: []query{{expr: "time() - " + last, legend: instances}},
			limits:  below(600), alerts: []string{"PushesStale"},
		},
		{
			id: 614, title: "Duration of a push", draw: lines, unit: seconds,
			about:   "How long the latest push took, with its retries.",
			queries: []query{{expr: each(m.push("last.duration", "s", names.Gauge)), legend: instances}},
		},
		{
			id: 615, title: "Pushes that failed, by reason", draw: stacked, unit: perSecond,
			about:   "Why pushes failed.",
			queries: []query{{expr: m.push("failures", "{push}", names.Counter).Rate(window, failed), legend: legend(failed)}}, alerts: []string{"PushesFailing"},
		},
		{
			id: 616, title: "Requests to the backend", draw: lines, unit: requestsPerSecond,
			about: "Requests with data, and those of them of which nobody knows whether they arrived, so that they may count twice.",
			queries: []query{
				{expr: m.push("requests", "{request}", names.Counter).Rate(window), legend: "sent"},
				{expr: m.push("requests.ambiguous", "{request}", names.Counter).Rate(window), legend: "ambiguous"},
			},
		},
		{
			id: 617, title: "Bytes pushed", draw: lines, unit: bytesPerSecond,
			about:   "Bytes of bodies that were sent, as they went over the wire.",
			queries: []query{{expr: m.push("io", "By", names.Counter).Rate(window, "instance"), legend: instances}},
		},
		{
			id: 618, title: "Spool", draw: lines, unit: bytesUnit,
			about:   "What waits on disk for a backend that is away. Without a spool there is no value.",
			queries: []query{{expr: each(m.push("spool.size", "By", names.Gauge)), legend: instances}},
			alerts:  []string{"SpoolFailing"},
		},
	}
}

func (m maker) lossPanels() []panel {
	failed := names.Label("error.type")
	accepted := m.points(failed + `=""`)
	lost := m.points(failed + `!=""`)
	return []panel{
		{
			id: 621, title: "Points accepted", draw: lines, unit: perSecond,
			about:   "Data points that the backend accepted, of all instances chosen.",
			queries: []query{{expr: accepted.Rate(window), legend: "accepted"}},
		},
		{
			id: 622, title: "Points not accepted", draw: stacked, unit: perSecond,
			about:   "Data points that the backend rejected, that were set aside because it refuses everything sent with them, or that were lost.",
			queries: []query{{expr: lost.Rate(window, failed), legend: legend(failed)}}, alerts: []string{"PointsRejected", "PointsLost"},
		},
		{
			id: 623, title: "Series that a push did without", draw: stacked, unit: perSecond,
			about: "Series that could not be sent at all, that were set aside, and that were repaired, counted with every push.",
			queries: []query{
				{expr: m.push("lost_series", "{series}", names.Counter).Rate(window), legend: "lost"},
				{expr: m.push("set_aside_series", "{series}", names.Counter).Rate(window), legend: "set aside"},
				{expr: m.push("repaired", "{series}", names.Counter).Rate(window), legend: "repaired"},
			},
			alerts: []string{"PointsLost"},
		},
		{
			id: 624, title: "What a push could not collect or spool", draw: stacked, unit: perSecond,
			about: "Failures to collect a part of the metrics, and to write to the spool, once per push.",
			queries: []query{
				{expr: m.push("collect.failures", "{failure}", names.Counter).Rate(window), legend: "collect"},
				{expr: m.push("spool.failures", "{push}", names.Counter).Rate(window), legend: "spool"},
			},
			alerts: []string{"SpoolFailing", "CallbacksFailing"},
		},
	}
}

func (m maker) callbackPanels() []panel {
	failed := names.Label("error.type")
	return []panel{
		{
			id: 631, title: "Callbacks that failed", draw: stacked, unit: perSecond,
			about:   "Observable callbacks that returned an error or panicked. Each costs its own series and no other.",
			queries: []query{{expr: m.about("duotel.callback.failures", "{failure}", names.Counter).Rate(window, failed), legend: legend(failed)}},
			alerts:  []string{"CallbacksFailing"},
		},
		{
			id: 632, title: "Scrapes that a callback held up", draw: lines, unit: perSecond,
			about:   "Scrapes that timed out or were refused because one before had not ended: a callback or a collector hangs.",
			queries: []query{{expr: m.about("duotel.scrapes", "{scrape}", names.Counter, `outcome=~"timeout|busy"`).Rate(window, "instance", "outcome"), legend: instances + " {{outcome}}"}},
			alerts:  []string{"CallbackHung"},
		},
	}
}

func (m maker) seriesPanels() []panel {
	used, most := m.about("duotel.cardinality.used", "{series}", names.Gauge), m.about("duotel.cardinality.limit", "{series}", names.Gauge)
	onPage := m.about("duotel.scrape.last.series", "{series}", names.Gauge)
	by := []string{"instrument", "scope"}
	everything := "{" + strings.Join(selection(), ",") + "}"
	return []panel{
		{
			id: 641, title: "Series against their limit", draw: lines, unit: share,
			about: "The share of an instrument's limit that is used, from 80 % up. At 100 % what is new folds into one series without attributes.",
			queries: []query{{
				expr:   fmt.Sprintf("%s / (%s > 0)", names.Over("max", used.String(), by...), names.Over("max", most.String(), by...)),
				legend: "{{instrument}}",
			}},
			limits: []limit{{color: "green"}, {0.8, "orange"}, {1, "red"}}, alerts: []string{"CardinalityLimitReached"},
		},
		{
			id: 642, title: "Series on the page", draw: lines, unit: count,
			about: "Series on the latest page, as the service counted them, and the samples that Prometheus kept of it.",
			queries: []query{
				{expr: each(onPage), legend: instances + " shown"},
				{expr: each(plain("scrape_samples_post_metric_relabeling")), legend: instances + " kept"},
			},
		},
		{
			id: 643, title: "Series new to Prometheus", draw: lines, unit: count,
			about:   "Series of the latest scrape that Prometheus did not have from the one before. A page that keeps making them costs more than a large one.",
			queries: []query{{expr: each(plain("scrape_series_added")), legend: instances}},
		},
		{
			id: 644, title: "Cost by family", draw: bars, unit: count, width: 24,
			about:   "The twenty families with the most series in Prometheus, of all instances chosen: what a metrics backend is paid for.",
			queries: []query{{expr: "topk(20, count by (__name__) (" + everything + "))", legend: "{{__name__}}"}},
			alerts:  []string{"CardinalityLimitReached"},
		},
	}
}
