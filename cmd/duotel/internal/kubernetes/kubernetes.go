// Package kubernetes writes the manifests of a service that links Duotel: the same as the Helm chart in ops/chart makes,
// for those who apply files.
package kubernetes

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"
	"text/template"

	"github.com/duotel/duotel/cmd/duotel/internal/folder"
)

// Monitor is the kind of object that tells the Prometheus operator of the page.
type Monitor string

// The monitors. A service needs one of them: with both every sample would be stored twice.
const (
	ServiceMonitor Monitor = "ServiceMonitor"
	PodMonitor     Monitor = "PodMonitor"
)

// Service is what runs in the cluster.
type Service struct {
	// Name is the service's name in Kubernetes, in its metrics (OTEL_SERVICE_NAME) and in Prometheus (job): a DNS label.
	Name string
	// Image is the container's. Default: the name, with the tag latest.
	Image string
	// HTTPPort is the service's own port in the container, default 8080, and MetricsPort that of Duotel's listener,
	// default 9464.
	HTTPPort, MetricsPort int
	// Monitor is the one to write. Default: ServiceMonitor.
	Monitor Monitor

	// Namespace, Subsystem, HTTPNames and DurationBounds are METRICS_NAMESPACE, METRICS_SUBSYSTEM, METRICS_HTTP_NAMES
	// (default: semconv) and METRICS_HTTP_DURATION_BOUNDS: what Dashboards and Rules were made for.
	Namespace, Subsystem, HTTPNames string
	DurationBounds                  []string
	// Native says that Prometheus stores native histograms, so that it has to scrape protobuf.
	Native bool

	// Endpoint turns push on (OTEL_EXPORTER_OTLP_METRICS_ENDPOINT), with a spool that outlives the container. Default: no push.
	Endpoint string
	// HeadersSecret is a Secret whose key "headers" has a line key=value for each header. Default: none.
	HeadersSecret string
	// Temporality is OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE. Default: cumulative.
	Temporality string

	// Dashboards are Grafana's, and Rules files of Prometheus with nothing but groups. Each becomes a manifest of its own.
	Dashboards, Rules []folder.File
}

// notInAKey is what the key of a ConfigMap may not have.
var notInAKey = regexp.MustCompile(`[^-._a-zA-Z0-9]+`)

//go:embed templates/*.yaml
var sources embed.FS

var templates = template.Must(template.New("").
	Funcs(template.FuncMap{"quote": quote, "indent": indent, "join": func(s []string) string { return strings.Join(s, ",") }}).
	ParseFS(sources, "templates/*.yaml"))

// manifest is what a template sees: the service, and for one that is made from a file, that file.
type manifest struct {
	Service
	ObjectName, Key, Content string
}

// Manifests returns a file for each thing that the service needs, the same bytes for the same service. The paths
// are relative to a folder of their own, which kubectl apply -f takes whole. What cannot be is an error, which names it.
func Manifests(s Service) ([]folder.File, error) {
	s, err := s.complete()
	if err != nil {
		return nil, err
	}
	var files []folder.File
	add := func(name, source string, m manifest) {
		var out bytes.Buffer
		if e := templates.ExecuteTemplate(&out, source, m); e != nil && err == nil {
			err = fmt.Errorf("kubernetes: %s: %w", name, e)
		}
		files = append(files, folder.File{Path: name, Data: out.Bytes()})
	}
	whole := manifest{Service: s}
	add("deployment.yaml", "deployment.yaml", whole)
	add("service.yaml", "service.yaml", whole)
	add(strings.ToLower(string(s.Monitor))+".yaml", "monitor.yaml", whole)
	add("networkpolicy.yaml", "networkpolicy.yaml", whole)
	for _, f := range s.Rules {
		name := s.objectName(f.Path)
		add("prometheusrule-"+name+".yaml", "prometheusrule.yaml", manifest{s, name, "", string(f.Data)})
	}
	for _, f := range s.Dashboards {
		name := s.objectName(f.Path)
		add("dashboard-"+name+".yaml", "dashboard.yaml", manifest{s, name, notInAKey.ReplaceAllString(path.Base(f.Path), "-"), string(f.Data)})
	}
	return files, err
}

// objectName is what the manifest of a file is called in the cluster: the service's name and the file's, as a DNS name
// may be.
func (s Service) objectName(file string) string {
	name := strings.TrimSuffix(file, path.Ext(file))
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	return s.Name + "-" + strings.Trim(name, "-")
}

// quote writes s as YAML does between double quotes, which is how JSON does it.
func quote(s string) string {
	b, _ := json.Marshal(s) // a string has an encoding
	return string(b)
}

// indent moves every line that is not empty n columns to the right.
func indent(n int, text string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		if strings.TrimSpace(line) != "" {
			out.WriteString(strings.Repeat(" ", n))
		}
		out.WriteString(line)
	}
	return out.String()
}
