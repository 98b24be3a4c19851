package telemetry

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

const configurationFile = "../docs/configuration.md"

// The page is the table of variables between two texts, which are files of their own.
func TestConfigurationDoc(t *testing.T) {
	want := configurationDoc(t)
	if *update {
		if err := os.WriteFile(configurationFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(configurationFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the table says: go test ./telemetry -run TestConfigurationDoc -update", configurationFile)
	}
}

// Every example in the page is accepted.
func TestConfigurationDocExamples(t *testing.T) {
	parts := strings.Split(configurationDoc(t), "```sh\n")
	if len(parts) < 4 {
		t.Fatalf("%d examples", len(parts)-1)
	}
	for _, part := range parts[1:] {
		block, _, _ := strings.Cut(part, "```")
		var lines []string
		for line := range strings.Lines(block) {
			line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
			key, value, found := strings.Cut(line, "=")
			if !found {
				t.Errorf("%q is not a variable", line)
			}
			lines = append(lines, key+"="+strings.Trim(value, "'"))
		}
		cfg, err := FromEnv(env(append(lines, "OTEL_SERVICE_NAME=shop")...))
		if err != nil || len(cfg.warnings()) > 0 {
			t.Errorf("%v %q", err, cfg.warnings())
		}
	}
}

func configurationDoc(t *testing.T) string {
	t.Helper()
	var doc strings.Builder
	doc.WriteString(readText(t, "testdata/configuration_head.md"))
	doc.WriteString("| variable | meaning | allowed | when not set |\n|---|---|---|---|\n")
	for _, v := range variables {
		fmt.Fprintf(&doc, "| `%s` | %s | %s | %s |\n", strings.Join(v.keys, "`, else `"), v.meaning, v.allowed, v.unset)
	}
	doc.WriteString(readText(t, "testdata/configuration_tail.md"))
	return doc.String()
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
