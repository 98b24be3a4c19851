package servers

import (
	"net/url"
	"time"
)

// RuleState is what Prometheus knows of one of its rules.
type RuleState struct {
	File, Group, Name, Kind string // Kind is "alerting" or "recording"
	Health, LastError       string
	// Active are the labels of an alert's instances that are pending or firing, with their state.
	Active []ActiveAlert
}

// ActiveAlert is an instance of an alert.
type ActiveAlert struct {
	State  string
	Labels map[string]string
}

// Rules returns every rule.
func (p *Prometheus) Rules() ([]RuleState, error) {
	var data struct {
		Groups []struct {
			File, Name string
			Rules      []struct {
				Name, Type, Health, LastError string
				LastEvaluation                time.Time
				Alerts                        []struct {
					State  string
					Labels map[string]string
				}
			}
		}
	}
	if err := p.get("/api/v1/rules", url.Values{}, &data); err != nil {
		return nil, err
	}
	var out []RuleState
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			s := RuleState{File: g.File, Group: g.Name, Name: r.Name, Kind: r.Type, Health: r.Health, LastError: r.LastError}
			for _, a := range r.Alerts {
				s.Active = append(s.Active, ActiveAlert{a.State, a.Labels})
			}
			out = append(out, s)
		}
	}
	return out, nil
}
