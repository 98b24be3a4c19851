package kubernetes

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/duotel/duotel/cmd/duotel/internal/folder"
)

// The names Kubernetes allows: a label of DNS, with room for "-metrics", and a name of several.
var (
	label     = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,53}[a-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
)

// mostOfAConfigMap is what Kubernetes lets one hold: 1 MiB.
const mostOfAConfigMap = 1 << 20

// complete returns s with the defaults, or says everything that is wrong with it.
func (s Service) complete() (Service, error) {
	s.Image = cmp.Or(s.Image, s.Name+":latest")
	s.HTTPPort, s.MetricsPort = cmp.Or(s.HTTPPort, 8080), cmp.Or(s.MetricsPort, 9464)
	s.Monitor, s.HTTPNames = cmp.Or(s.Monitor, ServiceMonitor), cmp.Or(s.HTTPNames, "semconv")
	s.Temporality = cmp.Or(s.Temporality, "cumulative")
	var all []error
	wrong := func(key string, value any, what string) {
		all = append(all, fmt.Errorf("kubernetes: %s=%q: %s", key, fmt.Sprint(value), what))
	}
	if !label.MatchString(s.Name) {
		wrong("service", s.Name, "not a name in Kubernetes; allowed are at most 55 of a-z, 0-9 and '-', a letter first, no '-' last")
	}
	for i, port := range []int{s.HTTPPort, s.MetricsPort} {
		if port < 1 || port > 65535 {
			wrong([]string{"http port", "metrics port"}[i], port, "not a port; allowed are 1 to 65535")
		}
	}
	if s.HTTPPort == s.MetricsPort {
		wrong("metrics port", s.MetricsPort, "is the http port too, and both would listen on it; choose another")
	}
	for _, c := range []struct {
		key, value string
		allowed    []string
	}{
		{"monitor", string(s.Monitor), []string{string(ServiceMonitor), string(PodMonitor)}},
		{"names", s.HTTPNames, []string{"semconv", "classic", "both"}},
		{"temporality", s.Temporality, []string{"cumulative", "delta", "lowmemory"}},
	} {
		if !slices.Contains(c.allowed, c.value) {
			wrong(c.key, c.value, fmt.Sprintf("not one of those allowed: %q", c.allowed))
		}
	}
	if s.HeadersSecret != "" && !subdomain.MatchString(s.HeadersSecret) {
		wrong("headers secret", s.HeadersSecret, "not a name in Kubernetes; allowed are a-z, 0-9, '-' and '.'")
	}
	if s.HeadersSecret != "" && s.Endpoint == "" {
		wrong("headers secret", s.HeadersSecret, "without an endpoint nothing is pushed; give one")
	}
	all = append(all, s.checkFiles()...)
	return s, errors.Join(all...)
}

// checkFiles looks whether what goes into the manifests makes sense there, and has a name of its own.
func (s Service) checkFiles() (all []error) {
	names := map[string]string{}
	check := func(f folder.File, kind string, content func([]byte) error) {
		id := kind + s.objectName(f.Path)
		if other, taken := names[id]; taken {
			all = append(all, fmt.Errorf("kubernetes: file=%q: would have the name of %q in the cluster; rename one", f.Path, other))
		}
		names[id] = f.Path
		if err := content(f.Data); err != nil {
			all = append(all, fmt.Errorf("kubernetes: file=%q: %w", f.Path, err))
		}
	}
	for _, f := range s.Rules {
		check(f, "rule ", checkRules)
	}
	for _, f := range s.Dashboards {
		check(f, "dashboard ", checkDashboard)
	}
	return all
}

func checkRules(data []byte) error {
	var rules struct {
		Groups []any `yaml:"groups"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&rules); err != nil {
		return fmt.Errorf("not a file of rules, with groups and nothing else: %w", err)
	}
	if err := decoder.Decode(&rules); !errors.Is(err, io.EOF) || len(rules.Groups) == 0 || bytes.HasPrefix(data, []byte("-")) {
		return errors.New("not a file of rules: one document with groups is allowed, and no --- before it")
	}
	return nil
}

func checkDashboard(data []byte) error {
	if !json.Valid(data) || !bytes.HasPrefix(data, []byte("{")) {
		return errors.New("not a dashboard: a JSON object is allowed, with { as its first character")
	}
	if len(data) > mostOfAConfigMap {
		return fmt.Errorf("%d bytes: a ConfigMap holds at most %d", len(data), mostOfAConfigMap)
	}
	return nil
}
