package telemetry

import (
	"errors"
	"slices"
	"strings"

	"github.com/duotel/duotel/exporter"
)

// FromEnv reads a Config from the OpenTelemetry environment, through lookup: [os.LookupEnv], or the
// Lookup of a map in a test. docs/configuration.md lists the variables. A variable that is empty, or
// white space, counts as not set. A Config that FromEnv returns passes [Config.Validate].
//
// Every bad value is an error of its own that names the variable, the value, what was wrong and what
// is allowed; all are joined. The values of headers and the passwords in URLs are never part of one.
// A general variable that the signal's own one overrides is not looked at. When the environment turns
// telemetry off, only the switches that do so have to be right.
//
// Source: the OpenTelemetry environment variable specification and the OTLP exporter specification.
func FromEnv(lookup func(string) (string, bool)) (Config, error) {
	e := environment{lookup: lookup}
	for _, v := range variables {
		e.read(v)
	}
	if e.cfg.Disabled {
		return e.disabled()
	}
	e.setDefaultEndpoint()
	for _, p := range e.cfg.problems() {
		e.report(p)
	}
	if len(e.errs) > 0 {
		return Config{}, errors.Join(e.errs...)
	}
	return e.cfg, nil
}

// A variable is a row of the table: one meaning, under one name or a signal's name and a general one.
type variable struct {
	keys    []string // the one that wins first
	field   string   // what it sets
	meaning string
	allowed string
	unset   string // what holds without it
	// merged rows use all their keys, the winner last; others use the first that is set.
	merged bool
	// isSwitch rows are checked even when telemetry is off.
	isSwitch bool
	// show returns what may be shown of a value; nil shows all.
	show func(string) string
	set  func(e *environment, key, value string) []problem
}

// environment is the state of one FromEnv.
type environment struct {
	lookup func(string) (string, bool)
	cfg    Config
	errs   []error
	// switchErrs are those among errs that hold even when telemetry is off.
	switchErrs []error
	// reported are the fields whose text could not be read: their value is not worth a second look.
	reported []string
}

// get returns key's value. A set but empty variable counts as unset, as the specification says.
func (e *environment) get(key string) (string, bool) {
	value, ok := e.lookup(key)
	value = strings.TrimSpace(value)
	return value, ok && value != ""
}

// warn adds a line for the log at start-up.
func (e *environment) warn(text string) { e.cfg.notes = append(e.cfg.notes, text) }

func (e *environment) read(v variable) {
	keys := slices.Clone(v.keys)
	if v.merged {
		slices.Reverse(keys)
	}
	for _, key := range keys {
		value, ok := e.get(key)
		if !ok {
			continue
		}
		for _, p := range v.set(e, key, value) {
			e.reported = append(e.reported, v.field)
			e.add(v, key, value, p)
		}
		if !v.merged {
			return
		}
	}
}

// add words a problem by the variable that has it.
func (e *environment) add(v variable, key, value string, p problem) {
	if v.show != nil {
		value = v.show(value)
	}
	if p.allowed == "" {
		p.allowed = v.allowed
	}
	err := p.text("env", key, value)
	e.errs = append(e.errs, err)
	if v.isSwitch {
		e.switchErrs = append(e.switchErrs, err)
	}
}

// report words a problem of the finished Config by the variable that set the field.
func (e *environment) report(p problem) {
	if slices.Contains(e.reported, p.field) {
		return
	}
	for _, v := range variables {
		if v.field != p.field {
			continue
		}
		for _, key := range v.keys {
			if value, ok := e.get(key); ok {
				e.add(v, key, value, p)
				return
			}
		}
		e.add(v, v.keys[0], "", p)
		return
	}
	e.errs = append(e.errs, p.text("env", p.field, p.value))
}

// disabled is what is left of the environment when telemetry is off.
func (e *environment) disabled() (Config, error) {
	if err := errors.Join(e.switchErrs...); err != nil {
		return Config{}, err
	}
	return Config{Disabled: true}, nil
}

// setDefaultEndpoint gives an otlp exporter that was asked for by name the specification's endpoint.
func (e *environment) setDefaultEndpoint() {
	if e.cfg.Push.Endpoint != "" || !slices.Contains(e.cfg.Exporters, ExporterOTLP) {
		return
	}
	if e.cfg.Push.Protocol == exporter.ProtocolGRPC {
		e.cfg.Push.Endpoint = defaultEndpointGRPC
		return
	}
	e.cfg.Push.Endpoint = defaultEndpointHTTP
}
