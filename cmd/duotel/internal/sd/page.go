package sd

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/duotel/duotel/discovery"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// pagePolicy lets a browser use the page's own style and nothing else, whatever a registrant has written.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}()

// maxRows bounds the page. Beyond it there are links to what is not shown.
const maxRows = 1000

// page shows people what is listed, and what is not and why.
type page struct {
	registry  *discovery.Registry
	refusals  *refusals
	authority *authority
}

type pageData struct {
	Style                      template.CSS
	Now                        string
	Status                     discovery.Status
	Age                        string
	Total                      int
	Filtered                   string // the query, and the same list for others
	ForPrometheus, ForPrograms string
	States                     []state
	Groups                     []*group
	Refusals                   []refusalRow
	Rejected                   []discovery.Rejection
	Problems                   []error
}

type state struct {
	Health discovery.Health
	Count  int
}

type group struct {
	Name   string
	Link   string // to the group alone, and as JSON
	JSON   string
	Size   int
	Health string
	Rows   []row
}

// Hidden returns how many targets of the group are not shown.
func (g *group) Hidden() int { return g.Size - len(g.Rows) }

type row struct {
	ID, URL      string
	Health       discovery.Health
	Age, Seen    string
	TTL          time.Duration
	Labels, Meta []pair
}

type pair struct{ Name, Value string }

type refusalRow struct {
	refusal
	Ago string
}

// ServeHTTP answers with the page, filtered by the parameters of [discovery.ParseQuery].
func (p *page) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	query, err := discovery.ParseQuery(req.URL.Query())
	if err != nil {
		say(w, http.StatusBadRequest, err.Error())
		return
	}
	list, _ := p.registry.Targets(query) // the status says whether it is known
	var body bytes.Buffer
	data := p.data(list, time.Now())
	data.Filtered = req.URL.RawQuery
	data.ForPrometheus, data.ForPrograms = "/sd", "/v1/targets"
	if data.Filtered != "" {
		data.ForPrometheus += "?" + data.Filtered
		data.ForPrograms += "?" + data.Filtered
	}
	if err := pageTemplate.Execute(&body, data); err != nil {
		say(w, http.StatusInternalServerError, "sd: the page cannot be written: "+err.Error())
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	_, _ = w.Write(body.Bytes()) // who has left does not need the rest
}

func (p *page) data(list []discovery.Listed, now time.Time) pageData {
	data := pageData{
		Style: template.CSS(pageStyle), Now: now.Format(time.RFC3339), Status: p.registry.Status(),
		Total: len(list), Groups: groups(list, now), Problems: p.authority.problems(),
	}
	data.Age, data.Rejected = ago(data.Status.Age), data.Status.Rejected
	if len(data.Rejected) > maxRefusals {
		data.Rejected = data.Rejected[:maxRefusals]
	}
	for _, health := range states {
		data.States = append(data.States, state{health, count(list, health)})
	}
	for _, r := range p.refusals.recent() {
		data.Refusals = append(data.Refusals, refusalRow{r, ago(now.Sub(r.Last))})
	}
	return data
}

var states = []discovery.Health{discovery.Healthy, discovery.Unhealthy, discovery.Unknown}

func count(list []discovery.Listed, health discovery.Health) (n int) {
	for _, l := range list {
		if l.Health == health {
			n++
		}
	}
	return n
}

// groups returns the groups of a sorted list, with as many targets as the page has room for.
func groups(list []discovery.Listed, now time.Time) []*group {
	var out []*group
	shown := 0
	for begin := 0; begin < len(list); {
		name := list[begin].Target.Group
		end := begin
		for end < len(list) && list[end].Target.Group == name {
			end++
		}
		link := "?" + url.Values{"group": {name}}.Encode()
		g := &group{Name: name, Link: "/" + link, JSON: "/v1/targets" + link, Size: end - begin, Health: healthOf(list[begin:end])}
		for _, l := range list[begin:min(end, begin+maxRows-shown)] {
			g.Rows = append(g.Rows, newRow(l, now))
		}
		shown += len(g.Rows)
		out = append(out, g)
		begin = end
	}
	return out
}

// healthOf says in words how a group is.
func healthOf(list []discovery.Listed) string {
	var words []string
	for _, health := range states {
		if n := count(list, health); n > 0 {
			words = append(words, fmt.Sprint(n, " ", health))
		}
	}
	return strings.Join(words, ", ")
}

func newRow(l discovery.Listed, now time.Time) row {
	t := l.Target
	query := url.Values(t.Params).Encode()
	at := url.URL{Scheme: t.Scheme, Host: t.Address, Path: t.Path, RawQuery: query}
	return row{
		ID: t.ID, URL: at.String(), Health: l.Health,
		Age: ago(now.Sub(l.Since)), Seen: ago(now.Sub(l.Seen)), TTL: time.Duration(t.TTL),
		Labels: pairs(t.Labels), Meta: pairs(t.Meta),
	}
}

func pairs(m map[string]string) []pair {
	out := make([]pair, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, pair{name, m[name]})
	}
	return out
}

// ago returns a time as people say it: two units at most.
func ago(d time.Duration) string {
	day := 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < day:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", d/day, int(d.Hours())%24)
}
