// Package scrape writes what Prometheus needs to know to scrape a service that links Duotel.
package scrape

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

// Way is one in which Prometheus gets at the page.
type Way string

// The ways.
const (
	Text      Way = "text"    // OpenMetrics or the format before it, with classic histograms
	Native    Way = "native"  // protobuf, with native histograms
	HTTPS     Way = "https"   // text over HTTPS with basic auth
	Discovery Way = "http_sd" // targets from HTTP service discovery
)

// Ways are all of them, in the order in which they are written.
var Ways = []Way{Text, Native, HTTPS, Discovery}

// File is what the written file is called.
const File = "scrape.yaml"

// Service is what is scraped.
type Service struct {
	// Name is the service's name, and so the job's. With several ways the job of each but the first has the way added.
	Name string
	// Targets are the addresses of the page, host:port. Default: localhost:9464, Duotel's own listener.
	Targets []string
	// Ways are those to write a job for. Default: Text.
	Ways []Way
	// Registry is the URL of the list of targets, for Discovery. Default: http://localhost:8080/sd?group= and the name.
	Registry string
}

//go:embed scrape.yaml.tmpl
var source string

var file = template.Must(template.New(File).Funcs(template.FuncMap{"quote": quote, "list": list}).Parse(source))

// nameAllowed is what a service's name may be: it is also part of the names of files.
var nameAllowed = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

type job struct {
	Name, Service, Registry string
	Way                     Way
	Targets                 []string
}

// Render returns the file for a service: the same bytes for the same service. A name, target, way or registry that cannot be
// is an error, which names it.
func Render(s Service) ([]byte, error) {
	s, err := s.complete()
	if err != nil {
		return nil, err
	}
	var jobs []job
	for i, way := range s.Ways {
		name := s.Name
		if i > 0 {
			name += "-" + strings.ReplaceAll(string(way), "_", "-")
		}
		jobs = append(jobs, job{name, s.Name, s.Registry, way, s.Targets})
	}
	var out bytes.Buffer
	err = file.Execute(&out, struct {
		Name, File string
		Jobs       []job
	}{s.Name, File, jobs})
	return out.Bytes(), err
}

// complete returns s with the defaults, or says what is wrong with it.
func (s Service) complete() (Service, error) {
	if !nameAllowed.MatchString(s.Name) {
		return s, fmt.Errorf("scrape: service=%q: not a name; allowed are letters, digits, '.', '_' and '-', a letter or digit first", s.Name)
	}
	if len(s.Ways) == 0 {
		s.Ways = []Way{Text}
	}
	for i, way := range s.Ways {
		if !slices.Contains(Ways, way) || slices.Contains(s.Ways[:i], way) {
			return s, fmt.Errorf("scrape: way=%q: not one, or there twice; allowed are %q, each once", way, Ways)
		}
	}
	if len(s.Targets) == 0 {
		s.Targets = []string{"localhost:9464"}
	}
	for _, target := range s.Targets {
		if host, port, err := net.SplitHostPort(target); err != nil || host == "" || port == "" || strings.ContainsAny(target, "/ ") {
			return s, fmt.Errorf("scrape: target=%q: not an address; allowed is host:port, such as localhost:9464", target)
		}
	}
	if s.Registry == "" {
		s.Registry = "http://localhost:8080/sd?group=" + url.QueryEscape(s.Name)
	}
	if u, err := url.Parse(s.Registry); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return s, fmt.Errorf("scrape: registry=%q: not a URL; allowed is an http or https URL, such as http://localhost:8080/sd", s.Registry)
	}
	return s, nil
}

// quote writes s as YAML does between double quotes, which is how JSON does it.
func quote(s string) string {
	b, _ := json.Marshal(s) // a string has an encoding
	return string(b)
}

func list(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
