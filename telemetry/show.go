package telemetry

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// shownPush is a PushConfig that is printed as it is.
type shownPush PushConfig

// shown is c as it may be printed: header values print nothing by themselves, and of the endpoint neither user nor
// query is left.
func (c PushConfig) shown() shownPush {
	c.Endpoint = showURL(c.Endpoint)
	return shownPush(c)
}

// Format prints c, with any verb, without the endpoint's user and query and without the values of headers. It
// implements [fmt.Formatter].
func (c PushConfig) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), c.shown())
}

// LogValue is what slog shows of c: what Format prints. It implements [slog.LogValuer].
func (c PushConfig) LogValue() slog.Value { return slog.AnyValue(c.shown()) }

// MarshalJSON encodes what Format prints. It implements [json.Marshaler].
func (c PushConfig) MarshalJSON() ([]byte, error) { return json.Marshal(c.shown()) }

// shownDiscovery is a DiscoveryConfig that is printed as it is.
type shownDiscovery DiscoveryConfig

// shown is c as it may be printed: of the URL neither user nor query is left.
func (c DiscoveryConfig) shown() shownDiscovery {
	c.URL, c.Address = showRegistry(c.URL), showURL(c.Address)
	return shownDiscovery(c)
}

// Format prints c, with any verb, without the URL's user and query. It implements [fmt.Formatter].
func (c DiscoveryConfig) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), c.shown())
}

// LogValue is what slog shows of c: what Format prints. It implements [slog.LogValuer].
func (c DiscoveryConfig) LogValue() slog.Value { return slog.AnyValue(c.shown()) }

// MarshalJSON encodes what Format prints. It implements [json.Marshaler].
func (c DiscoveryConfig) MarshalJSON() ([]byte, error) { return json.Marshal(c.shown()) }
