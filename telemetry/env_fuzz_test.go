package telemetry

import (
	"strings"
	"testing"
)

// FuzzFromEnv holds for any text in any variable: no panic, no secret in an error or a warning, and a
// Config without an error is valid.
func FuzzFromEnv(f *testing.F) {
	const marker = "MARKER7391"
	for i := range variables {
		for _, text := range []string{"", "x", "1", "true", "h:4318", "http://h:4318", "a=b,c=d", `"a=b"`, "%zz", "grpc", "/a,(", "\xff"} {
			f.Add(i, text, "k=", "http://u:", "@h/")
		}
	}
	f.Add(0, "", "k=%zz", "u:", "@h")
	f.Fuzz(func(t *testing.T, row int, text, header, before, after string) {
		if strings.Contains(text+header+before+after, marker) || strings.ContainsAny(header, ",") || !strings.ContainsAny(header, "=") {
			return
		}
		if !strings.HasPrefix(after, "@") || strings.ContainsAny(before, "#?") || strings.Count(before, "/") > 2 {
			return // the marker is not where a password goes
		}
		values := map[string]string{
			headersKey:                    header + marker,
			"OTEL_EXPORTER_OTLP_ENDPOINT": before + marker + after,
		}
		if v := variables[max(row, 0)%len(variables)]; !strings.Contains(v.meaning+v.allowed, "file") { // any file could be read
			values[v.keys[0]] = text
		}
		cfg, err := FromEnv(func(key string) (string, bool) { v, ok := values[key]; return v, ok })
		said := strings.Join(cfg.warnings(), "\n")
		if err != nil {
			said += err.Error()
		} else if err := cfg.Validate(); err != nil {
			t.Errorf("%q: a Config that is not valid: %v", values, err)
		}
		if strings.Contains(said, marker) {
			t.Errorf("%q: a secret is in %s", values, said)
		}
	})
}
