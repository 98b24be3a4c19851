package discovery

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a time.Duration that JSON shows as people write it: "30s", "5m".
type Duration time.Duration

// MarshalJSON implements [json.Marshaler].
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON implements [json.Unmarshaler]. A number is refused, because nobody can tell its unit.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("discovery: ttl=%s: is not a duration; a text such as \"30s\"", cut(string(text)))
	}
	parsed, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("discovery: ttl=%q: is not a duration; a text such as \"30s\"", cut(s))
	}
	*d = Duration(parsed)
	return nil
}
