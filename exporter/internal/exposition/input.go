package exposition

import (
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// Format says what to write. The zero value is Prometheus text 0.0.4 with UTF-8 names quoted.
type Format struct {
	// OpenMetrics selects OpenMetrics 1.0.0.
	OpenMetrics bool
	// Protobuf selects Prometheus's protobuf format, each family behind its length: the one with native histograms, which
	// exponential histograms become. It wins over OpenMetrics.
	Protobuf bool
	// Escaping is what to do with names outside the classic character set, as the scraper's
	// escaping= parameter asks. Where the Strategy escapes names itself there are none left.
	Escaping model.EscapingScheme
	// Created adds _created lines to OpenMetrics.
	Created bool
}

// Input is what one [Encoder.Encode] shows. It is only read.
type Input struct {
	// Resource becomes target_info; nil means none.
	Resource *resource.Resource
	// Scopes are the collected metrics, in any order.
	Scopes []metricdata.ScopeMetrics
	// Families are what client_golang registries gathered, in any order.
	Families []*dto.MetricFamily
	// Names, when it is not empty, limits the answer to these family names, before escaping: what
	// promhttp does with name[].
	Names map[string]struct{}
	// Series, when it is not nil, limits the answer to the series it admits.
	Series SeriesFilter
}

// SeriesFilter says whether a series is shown. It sees the family's name and the labels as they
// stand in the answer, le and quantile left out. It is asked about every series of every encode,
// target_info's and client_golang's included, and must be quick; no lock is held meanwhile.
type SeriesFilter func(family string, labels Labels) bool

func (in *Input) admitsName(name string) bool {
	if len(in.Names) == 0 {
		return true
	}
	_, ok := in.Names[name]
	return ok
}
