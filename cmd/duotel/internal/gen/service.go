package gen

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/dashboards"
	"github.com/duotel/duotel/cmd/duotel/internal/folder"
	"github.com/duotel/duotel/cmd/duotel/internal/kubernetes"
	"github.com/duotel/duotel/cmd/duotel/internal/names"
	"github.com/duotel/duotel/cmd/duotel/internal/rules"
	"github.com/duotel/duotel/cmd/duotel/internal/scrape"
	"github.com/duotel/duotel/cmd/duotel/internal/slo"
	"github.com/duotel/duotel/telemetry/contract"
)

// Service is what a kit is made for.
type Service struct {
	// Name is the service's job in Prometheus.
	Name string
	// Names are what its metrics are called.
	Names names.Names
	// Period is that of the objectives.
	Period time.Duration
	// Contract has the service's own metrics. It may be empty.
	Contract *contract.Contract
	// Alerts are on metrics of the contract.
	Alerts []Alert
	// Targets are the addresses of its page.
	Targets []string
	// Notes are what Files has to tell people: what is not among the files, and why.
	Notes []string

	http []slo.Objective
	slos []slo.SLO
}

// options are what the rules need to know.
func (s *Service) options() rules.Options { return rules.Options{Names: s.Names, Job: s.Name} }

// addObjective reads an objective, of the HTTP server or of the contract.
func (s *Service) addObjective(text string) error {
	if slo.IsOwn(text) {
		own, err := slo.ParseOwn(text)
		if err != nil {
			return err
		}
		o, err := own.SLO(s.options(), s.Contract)
		if err != nil {
			return err
		}
		s.slos = append(s.slos, o)
		return nil
	}
	objective, err := slo.Parse(text)
	if err != nil {
		return err
	}
	o, err := objective.SLO(s.options())
	if err != nil {
		return err
	}
	s.http, s.slos = append(s.http, objective), append(s.slos, o)
	return nil
}

// Files returns the kit. The same service is the same files.
func (s *Service) Files() ([]folder.File, error) {
	var errs []error
	for _, a := range s.Alerts {
		errs = append(errs, a.check(s.Contract))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var out []folder.File
	for _, make := range []func() ([]folder.File, error){s.dashboards, s.rules, s.objectives, s.own, s.prometheus} {
		files, err := make()
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	manifests, err := s.kubernetes(out)
	if err != nil {
		s.Notes = append(s.Notes, fmt.Sprintf("no manifests for Kubernetes: %v", err))
	}
	out = append(out, manifests...)
	return append(out, s.readme(out)), nil
}

func (s *Service) dashboards() (out []folder.File, err error) {
	o := dashboards.Options{Names: s.Names, Job: s.Name}
	for _, w := range slo.Windows(s.Period) {
		o.Burn = append(o.Burn, dashboards.Burn{Long: duration(w.Long), Short: duration(w.Short), Factor: w.Factor})
	}
	for _, h := range s.http {
		o.Objectives = append(o.Objectives, dashboards.Objective{Route: h.Route, Target: h.Target / 100, Within: h.Threshold})
	}
	o.Own = dashboards.FromContract(s.Contract, s.Names)
	all, err := dashboards.Dashboards(o)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		out = append(out, folder.File{Path: "dashboards/" + d.File, Data: d.JSON})
	}
	return out, nil
}

// duration writes a window as Prometheus does.
func duration(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
}

func (s *Service) rules() ([]folder.File, error) {
	groups, err := rules.Groups(s.options())
	if err != nil {
		return nil, err
	}
	return render("alerts", groups)
}

// objectives are a rule file for each objective: their alerts have the same names, and a unit test of one would hear of
// another that is about the same requests.
func (s *Service) objectives() (out []folder.File, err error) {
	if len(s.slos) == 0 {
		return nil, nil
	}
	groups, err := slo.Groups(slo.Options{Options: s.options(), Period: s.Period}, s.slos...)
	if err != nil {
		return nil, err
	}
	for pair := range slices.Chunk(groups, 2) { // what alerts need, and the budget
		files, err := render(strings.TrimPrefix(pair[0].Name, "duotel-"), pair)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	return out, nil
}

// own are the alerts on the contract's metrics. They have no unit test: what is normal is known to the service's people alone.
func (s *Service) own() ([]folder.File, error) {
	if len(s.Alerts) == 0 {
		return nil, nil
	}
	g := rules.Group{Name: s.Name + "-own"}
	for _, a := range s.Alerts {
		g.Alerts = append(g.Alerts, rules.Alert{
			Name: a.Name, Expr: a.Expr, For: a.For, Severity: a.Severity,
			Summary:     a.Name + " at " + s.Name + ".",
			Description: "The value of {{ $value }} is beyond what was set for: " + a.Expr,
		})
	}
	data, err := rules.YAML([]rules.Group{g}, "")
	if err != nil {
		return nil, err
	}
	return []folder.File{{Path: "rules/own.yaml", Data: data}}, nil
}

// render makes the rule file of groups, and a promtool test for each alert.
func render(name string, groups []rules.Group) ([]folder.File, error) {
	data, err := rules.YAML(groups, "")
	if err != nil {
		return nil, err
	}
	out := []folder.File{{Path: "rules/" + name + ".yaml", Data: data}}
	for _, g := range groups {
		for _, a := range g.Alerts {
			test, err := a.Test("../"+name+".yaml", "")
			if err != nil {
				return nil, err
			}
			file := strings.ToLower(a.Name)
			if name != "alerts" {
				file = name + "-" + file
			}
			out = append(out, folder.File{Path: "rules/tests/" + file + ".yaml", Data: test})
		}
	}
	return out, nil
}

// prometheus is a configuration to start a Prometheus with.
func (s *Service) prometheus() ([]folder.File, error) {
	way := scrape.Text
	if s.Names.Options().Native {
		way = scrape.Native
	}
	jobs, err := scrape.Render(scrape.Service{Name: s.Name, Targets: s.Targets, Ways: []scrape.Way{way}})
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`# A Prometheus that scrapes %s and loads its rules: prometheus --config.file=prometheus.yaml
global:
  scrape_interval: 15s
  scrape_timeout: 10s
  evaluation_interval: 15s

scrape_config_files: [%s]
rule_files: [rules/*.yaml]
`, s.Name, scrape.File)
	return []folder.File{{Path: "prometheus.yaml", Data: []byte(config)}, {Path: scrape.File, Data: jobs}}, nil
}

// kubernetes are the manifests, with the dashboards and rules of the kit.
func (s *Service) kubernetes(kit []folder.File) ([]folder.File, error) {
	o := s.Names.Options()
	k := kubernetes.Service{
		Name: s.Name, Namespace: o.Namespace, Subsystem: o.Subsystem, HTTPNames: string(o.HTTP), Native: o.Native,
	}
	for _, b := range o.Bounds {
		k.DurationBounds = append(k.DurationBounds, time.Duration(b*float64(time.Second)).String())
	}
	for _, f := range kit {
		dir, name := path.Split(f.Path)
		switch named := (folder.File{Path: name, Data: f.Data}); dir {
		case "dashboards/":
			k.Dashboards = append(k.Dashboards, named)
		case "rules/":
			k.Rules = append(k.Rules, named)
		}
	}
	files, err := kubernetes.Manifests(k)
	for i := range files {
		files[i].Path = "kubernetes/" + path.Base(files[i].Path)
	}
	return files, err
}

// readme says what is in the folder.
func (s *Service) readme(files []folder.File) folder.File {
	has := func(path string) bool {
		return slices.ContainsFunc(files, func(f folder.File) bool { return f.Path == path })
	}
	o := s.Names.Options()
	kind := "classic"
	if o.Native {
		kind = "native"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# The operations kit of %s\n\nWritten by `duotel gen` for %s names and %s histograms. Do not edit: the next run would refuse to overwrite it.\n\n", s.Name, o.HTTP, kind)
	fmt.Fprintf(&b, "| | |\n|---|---|\n| `dashboards/` | for Grafana: import, or provision the folder |\n| `rules/alerts.yaml` | recording and alert rules |\n")
	if len(s.slos) > 0 {
		fmt.Fprintf(&b, "| `rules/slo-*.yaml` | objectives over %s: burn rates over two windows |\n", duration(s.Period))
	}
	if has("rules/own.yaml") {
		fmt.Fprintf(&b, "| `rules/own.yaml` | alerts on the service's own metrics |\n")
	}
	fmt.Fprintf(&b, "| `rules/tests/` | a test of each alert: `promtool test rules rules/tests/*.yaml` |\n| `prometheus.yaml`, `scrape.yaml` | a Prometheus that scrapes the service and loads the rules; the job alone |\n")
	if slices.ContainsFunc(files, func(f folder.File) bool { return strings.HasPrefix(f.Path, "kubernetes/") }) {
		fmt.Fprintf(&b, "| `kubernetes/` | the service with its monitor, dashboards and rules: `kubectl apply -f kubernetes` |\n")
	}
	fmt.Fprintf(&b, "| `%s` | checksums of these files |\n", folder.List)
	if len(s.slos) > 0 {
		fmt.Fprintf(&b, "\nObjectives:\n\n")
		for _, o := range s.slos {
			fmt.Fprintf(&b, "- `%s`: %s\n", o.Name, o.Description)
		}
	}
	return folder.File{Path: "README.md", Data: []byte(b.String())}
}
