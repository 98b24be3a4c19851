package telemetry

import (
	"maps"
	"strings"
	"testing"
)

const secret = "s3cr3t"

// F9: every malformed pair is a start-up error with position and key, and never the value.
func TestFromEnvRefusesHeaders(t *testing.T) {
	tests := []struct{ value, says string }{
		{"a=b,Authorization: Bearer " + secret, "pair 2: has a colon before any =: write key=value, not key: value"},
		{"Authorization: Basic " + secret + "==", "pair 1: has a colon before any ="},
		{`"Authorization=Bearer%20` + secret + `"`, "pair 1: begins with a quote"},
		{`'Authorization=Bearer%20` + secret + `'`, "pair 1: begins with a quote"},
		{`k="` + secret + `"`, `pair 1, key "k": the value begins with a quote`},
		{`k='` + secret + `'`, `pair 1, key "k": the value begins with a quote`},
		{`k={"a":1,"b":"` + secret + `"}`, "pair 2: begins with a quote"},
		{"k=a," + secret, "pair 2: has no =: write %2C"},
		{"k=%zz" + secret, `pair 1, key "k": a %`},
		{"k=" + secret + "%2", `pair 1, key "k": a %`},
		{secret, "pair 1: has no ="},
		{"=" + secret, "pair 1: has no key"},
		{"a b=" + secret, "pair 1: the key is not the name of a header"},
		{"é=" + secret, "pair 1: the key is not the name of a header"},
		{"k=" + secret + "%0a", "a control character"},
		{"k=" + secret + "%00", "a control character"},
		{"k=" + secret + ",K=other", `pair 2, key "K": the key is there twice`},
		{"content-type=" + secret, "the exporter's own"},
		{"grpc-timeout=" + secret, "reserved"},
	}
	for _, key := range []string{headersKey, "OTEL_EXPORTER_OTLP_HEADERS"} {
		for _, test := range tests {
			_, err := FromEnv(env(key + "=" + test.value))
			if err == nil {
				t.Errorf("%s: no error", test.value)
				continue
			}
			text := err.Error()
			if strings.Contains(text, secret) {
				t.Errorf("%s: the value is in the error: %v", test.value, err)
			}
			if !strings.HasPrefix(text, "env: "+key+"=(not shown): ") || !strings.Contains(text, test.says) {
				t.Errorf("%s: %v\ndoes not say %q", test.value, err, test.says)
			}
		}
	}
}

// F37: what vendors print arrives to the byte.
func TestF37HeadersAsPeopleWriteThem(t *testing.T) {
	tests := []struct {
		value string
		want  map[string]string
	}{
		{"Authorization=Bearer xaat-1,X-Axiom-Dataset=a", map[string]string{"Authorization": "Bearer xaat-1", "X-Axiom-Dataset": "a"}},
		{"Authorization=Basic dXNlcjpwYXNz==", map[string]string{"Authorization": "Basic dXNlcjpwYXNz=="}},
		{"Authorization=Basic%20dXNlcjpwYXNz==", map[string]string{"Authorization": "Basic dXNlcjpwYXNz=="}},
		{"api-key=abc;def", map[string]string{"api-key": "abc;def"}},
		{`x-meta={"a":1}`, map[string]string{"x-meta": `{"a":1}`}},
		{",a=b,,c=d,", map[string]string{"a": "b", "c": "d"}},
		{"a=b,A=b", map[string]string{"a": "b"}},
		{`a=b\c`, map[string]string{"a": `b\c`}},
		{"a=it's, b = x y ", map[string]string{"a": "it's", "b": "x y"}},
		{"a=é", map[string]string{"a": "é"}},
		{"a=%7B%22k%22%3A1%2C%22l%22%3A2%7D", map[string]string{"a": `{"k":1,"l":2}`}},
		{"a=b+c%2Bd", map[string]string{"a": "b+c+d"}},
	}
	for _, test := range tests {
		cfg, err := FromEnv(env(headersKey + "=" + test.value))
		if err != nil {
			t.Errorf("%s: %v", test.value, err)
			continue
		}
		got := make(map[string]string)
		for name, value := range cfg.Push.Headers {
			got[name] = value.Reveal()
		}
		if !maps.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.value, got, test.want)
		}
	}
}

func TestFromEnvRefusesHeadersGRPCCannotSend(t *testing.T) {
	for _, value := range []string{"a!=" + secret, "a=%C3%A9" + secret} {
		line := headersKey + "=" + value
		if _, err := FromEnv(env(line)); err != nil {
			t.Errorf("http/protobuf: %v", err)
		}
		_, err := FromEnv(env(line, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"))
		if err == nil || !strings.Contains(err.Error(), "grpc") || strings.Contains(err.Error(), secret) {
			t.Errorf("grpc: %q: %v", value, err)
		}
	}
}
