package telemetry

import (
	"strings"
	"testing"
)

const secret = "s3cr3t"

// F9: every malformed pair is a start-up error with position and key, and never the value.
func TestFromEnvRefusesHeaders(t *testing.T) {
	tests := []struct{ value, says string }{
		{"Authorization=Bearer " + secret, `pair 1, key "Authorization": a space in the value: write %20`},
		{"a=b,Authorization: Bearer " + secret, "pair 2: has no =: write key=value, not key: value"},
		{`"Authorization=Bearer%20` + secret + `"`, "pair 1: begins with a quote"},
		{`'Authorization=Bearer%20` + secret + `'`, "pair 1: begins with a quote"},
		{`k="` + secret + `"`, `pair 1, key "k": a quote`},
		{`k='` + secret + `'`, `pair 1, key "k": quotes`},
		{"k=%zz" + secret, `pair 1, key "k": a %`},
		{"k=" + secret + "%2", `pair 1, key "k": a %`},
		{secret, "pair 1: has no ="},
		{"=" + secret, "pair 1: has no key"},
		{"a b=" + secret, "pair 1: the key is not the name of a header"},
		{"é=" + secret, "pair 1: the key is not the name of a header"},
		{"k=" + secret + ",", "pair 2: is empty"},
		{"k=" + secret + ";p=q", "a semicolon"},
		{`k=` + secret + `\`, "a backslash"},
		{"k=é" + secret, "not printable ASCII"},
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
