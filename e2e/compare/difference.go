package compare

import "strings"

// Difference is one that is not ours: what a server does to a series on one way in and not on the other, or what the two
// exits do on purpose.
type Difference struct {
	// Label is left out of the comparison, Prefix names series that are, and Moving names series whose
	// presence, labels and type are compared and whose values are not.
	Label, Prefix, Moving string
	// Scope is an otel_scope_name that is left out.
	Scope string
	// Why says whose difference it is.
	Why string
}

// Expected are all the differences there are. What is not in this table is a failure.
var Expected = []Difference{
	{Label: "job", Why: "scraped: the name of the scrape job; pushed: service.name"},
	{Label: "instance", Why: "scraped: the target's address; pushed: service.instance.id"},
	{Label: "__unit__", Why: "pushed, Prometheus makes it of the unit; scraped, there are no UNIT lines: the unit is in the name"},
	{Scope: "go.opentelemetry.io/contrib/bridges/prometheus", Why: "scraped, client_golang's metrics have no scope; pushed, they have the bridge's"},
	{Prefix: "up", Why: "Prometheus makes it for every target"},
	{Prefix: "scrape_", Why: "Prometheus makes them for every target"},
	{Prefix: "go_", Why: "the runtime speaks client_golang's names when scraped and the semantic conventions' when pushed"},
	{Prefix: "process_", Why: "client_golang's process collector; the push exit has the resource"},
	{Prefix: "target_info", Why: "compared apart: scraped it has the type of its format, and pushed it has the resource's labels"},
	{Moving: "duotel_", Why: "an exit's own metrics move with every scrape and push"},
	{Moving: "otel_sdk_", Why: "the same"},
}

// Labels are the labels to leave out.
func Labels() []string {
	var out []string
	for _, d := range Expected {
		if d.Label != "" {
			out = append(out, d.Label)
		}
	}
	return out
}

// dropped says whether a label with this value is left out of every key.
func dropped(label, value string) bool {
	for _, d := range Expected {
		if d.Scope != "" && label == "otel_scope_name" && value == d.Scope {
			return true
		}
	}
	return false
}

// Ours says whether a series of this name is to be compared.
func Ours(name string) bool {
	for _, d := range Expected {
		if d.Prefix != "" && (name == d.Prefix || strings.HasSuffix(d.Prefix, "_") && strings.HasPrefix(name, d.Prefix)) {
			return false
		}
	}
	return true
}

// Moving says whether only the presence of a series of this name is to be compared.
func Moving(name string) bool {
	for _, d := range Expected {
		if d.Moving != "" && strings.HasPrefix(name, d.Moving) {
			return true
		}
	}
	return false
}
