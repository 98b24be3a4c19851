package gen

import (
	"slices"
	"strings"

	"github.com/duotel/duotel/cmd/duotel/internal/axiom"
	"github.com/duotel/duotel/cmd/duotel/internal/folder"
	"github.com/duotel/duotel/telemetry/contract"
)

// axiom is the kit for Axiom: one dashboard, of what every service pushes and of the contract's metrics. Prefixes are for the page only,
// so they do not matter here.
func (s *Service) axiom(dataset, temporality string) ([]folder.File, error) {
	var objectives []axiom.Objective
	for _, o := range s.http {
		latency := axiom.Objective{Quantile: o.Target / 100, Seconds: o.Threshold.Seconds()}
		if o.Route == "" && o.Threshold > 0 && !slices.Contains(objectives, latency) {
			objectives = append(objectives, latency)
		}
	}
	panels := axiom.Service(objectives...)
	for _, i := range s.Contract.Instruments {
		if s.catalogued(i.Family()) || i.Kind == contract.Summary {
			continue
		}
		var attributes []string
		for _, a := range i.Attributes {
			attributes = append(attributes, a.Name)
		}
		kind := map[contract.Kind]string{contract.Counter: "counter", contract.Histogram: "histogram", contract.Exponential: "histogram"}[i.Kind]
		panels = append(panels, axiom.Instrument(i.Name, kind, i.Unit, attributes...))
	}
	data, err := axiom.Render(axiom.Options{
		Service: s.Name, Dataset: dataset, Temporality: temporality, HTTPNames: string(s.Names.Options().HTTP),
	}, panels)
	return []folder.File{{Path: "dashboards/axiom.json", Data: data}}, err
}

// catalogued are the families of the HTTP metrics, which the catalogue has panels for.
func (s *Service) catalogued(family string) bool {
	return strings.HasPrefix(family, "http_server_") || strings.HasPrefix(family, "http_client_") || slices.Contains([]string{
		"http_requests_total", "http_request_duration_seconds", "http_request_size_bytes", "http_response_size_bytes", "http_requests_inprogress",
	}, family)
}
