package discovery

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// targetGroup is one element of the format that Prometheus reads:
// https://prometheus.io/docs/prometheus/latest/http_sd/
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// group returns a listed target as Prometheus sees it.
func (l Listed) group() targetGroup {
	t := l.Target
	labels := map[string]string{
		"__scheme__":          t.Scheme,
		"__metrics_path__":    t.Path,
		metaPrefix + "group":  t.Group,
		metaPrefix + "id":     t.ID,
		metaPrefix + "health": string(l.Health),
	}
	for name, values := range t.Params {
		labels["__param_"+name] = values[0]
	}
	for name, value := range t.Meta {
		labels[metaName(name)] = value
	}
	for name, value := range t.Labels {
		labels[name] = value
	}
	return targetGroup{Targets: []string{t.Address}, Labels: labels}
}

// encode returns a list as Prometheus reads it: "[]" where it is empty.
func encode(list []Listed) ([]byte, error) {
	groups := make([]targetGroup, 0, len(list))
	for _, l := range list {
		groups = append(groups, l.group())
	}
	return json.Marshal(groups)
}

// answer is a list, encoded.
type answer struct {
	text []byte
	gzip []byte
}

// maxAnswers and maxAnswersBytes bound what is kept encoded. Queries beyond are answered all the same, with work.
const (
	maxAnswers      = 64
	maxAnswersBytes = 64 << 20
)

// answers keeps the encoded lists until the list has changed, so that any number of servers that ask the same
// cost one encoding, and one that asks about the same list costs none.
type answers struct {
	mu      sync.Mutex // one encoding at a time; in memory, and quick
	version uint64
	kept    map[string]answer // by query
	size    int               // of all texts
}

// of returns the encoded list of what q admits of v. It encodes where the list has changed since.
func (a *answers) of(v *view, q Query) (answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := q.key()
	if version, _, _ := v.state(); version == a.version {
		if kept, ok := a.kept[key]; ok {
			return kept, nil
		}
	}
	list, version, _ := v.list()
	text, err := encode(q.filter(list))
	if err != nil {
		return answer{}, err
	}
	if a.kept == nil || version != a.version {
		a.version, a.kept, a.size = version, map[string]answer{}, 0
	}
	made := answer{text: text, gzip: compress(text)}
	size := len(made.text) + len(made.gzip)
	// The whole list is always kept: it is what most servers ask for.
	if q.isAll() || len(a.kept) < maxAnswers && a.size+size <= maxAnswersBytes {
		a.kept[key] = made
		a.size += size
	}
	return made, nil
}

// key returns a text that is the same for queries that admit the same by the same words.
func (q Query) key() string {
	if q.isAll() {
		return ""
	}
	var key strings.Builder
	part := func(kind string, words ...string) {
		slices.Sort(words)
		for _, word := range slices.Compact(words) {
			key.WriteString(kind + strconv.Quote(word))
		}
	}
	part("group", slices.Clone(q.Groups)...)
	for _, health := range slices.Sorted(slices.Values(q.Health)) {
		part("health", string(health))
	}
	for _, name := range slices.Sorted(maps.Keys(q.Labels)) {
		part("label", name+"="+q.Labels[name])
	}
	return key.String()
}

// compress returns// compress returns text as gzip. Writing to memory does not fail.
func compress(text []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(text)
	_ = w.Close()
	return out.Bytes()
}
