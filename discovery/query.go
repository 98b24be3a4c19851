package discovery

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Query says which targets are wanted. The zero value is all of them.
type Query struct {
	// Groups are the wanted groups; none means every group.
	Groups []string
	// Health is the wanted states; none means every state.
	Health []Health
	// Labels are label names with the value that they must have.
	Labels map[string]string
}

// passing is the name under which a client asks for all but unhealthy targets.
const passing = "passing"

// ParseQuery reads the parameters of an HTTP request: group and health, each any number of times, and
// label=name=value. health is healthy, unhealthy, unknown, or passing for all that is not unhealthy.
// A parameter that is not known is an error, because a filter that is silently ignored gives Prometheus a list of
// targets that nobody asked for.
func ParseQuery(values url.Values) (Query, error) {
	q := Query{}
	for name, all := range values {
		for _, value := range all {
			if err := q.add(name, value); err != nil {
				return Query{}, err
			}
		}
	}
	return q, nil
}

func (q *Query) add(name, value string) error {
	switch name {
	case "group":
		q.Groups = append(q.Groups, value)
	case "health":
		switch {
		case value == passing:
			q.Health = append(q.Health, Healthy, Unknown)
		case slices.Contains([]Health{Healthy, Unhealthy, Unknown}, Health(value)):
			q.Health = append(q.Health, Health(value))
		default:
			return invalid("health", value, "is not known", "healthy, unhealthy, unknown or passing")
		}
	case "label":
		label, want, ok := strings.Cut(value, "=")
		if !ok {
			return invalid("label", value, "has no =", "label=name=value")
		}
		if q.Labels == nil {
			q.Labels = map[string]string{}
		}
		q.Labels[label] = want
	default:
		return fmt.Errorf("discovery: parameter %q: is not known; group, health or label", cut(name))
	}
	return nil
}

func (q Query) isAll() bool { return len(q.Groups) == 0 && len(q.Health) == 0 && len(q.Labels) == 0 }

// filter returns what q admits. It may return list itself.
func (q Query) filter(list []Listed) []Listed {
	if q.isAll() {
		return list
	}
	out := make([]Listed, 0, len(list))
	for _, l := range list {
		if q.admits(l) {
			out = append(out, l)
		}
	}
	return out
}

func (q Query) admits(l Listed) bool {
	if len(q.Groups) > 0 && !slices.Contains(q.Groups, l.Target.Group) {
		return false
	}
	if len(q.Health) > 0 && !slices.Contains(q.Health, l.Health) {
		return false
	}
	for name, want := range q.Labels {
		if l.Target.Labels[name] != want {
			return false
		}
	}
	return true
}

// parseRawQuery is [ParseQuery] of a URL's query. What cannot be read is an error: left out, as net/url does it, a filter that somebody
// mistyped would answer with everything, to a job that must not know it.
func parseRawQuery(raw string) (Query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return Query{}, fmt.Errorf("discovery: query: %w; name=value, joined by &, percent-encoded", err)
	}
	return ParseQuery(values)
}
