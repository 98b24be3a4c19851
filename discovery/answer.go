package discovery

import (
	"bytes"
	"encoding/json"
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

// answer is the whole list, encoded.
type answer struct {
	version uint64
	text    []byte
	gzip    []byte
}

// answers keeps the encoded list until it has changed, so that any number of servers that ask cost one
// encoding, and one that asks about the same list costs none.
type answers struct {
	mu   sync.Mutex // one encoding at a time; in memory, and quick
	last answer
}

// whole returns the encoded list of v. It encodes where the list has changed since.
func (a *answers) whole(v *view) (answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if version, _, _ := v.state(); a.last.text != nil && version == a.last.version {
		return a.last, nil
	}
	list, version, _ := v.list()
	text, err := encode(list)
	if err != nil {
		return answer{}, err
	}
	a.last = answer{version: version, text: text, gzip: compress(text)}
	return a.last, nil
}

// compress returns text as gzip. Writing to memory does not fail.
func compress(text []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(text)
	_ = w.Close()
	return out.Bytes()
}
