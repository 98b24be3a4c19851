package middleware

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/duotel/duotel/internal/given"
)

// Option changes one default of [New] or [NewTransport]. What an option was given is judged by those
// two, together with all other options; an option itself cannot fail. An option that takes something live and is given nil is an
// error of theirs that names it, and so is a nil Option: to leave something at its default, leave the option out.
type Option func(*config)

type config struct {
	meters          metric.MeterProvider
	tracers         trace.TracerProvider
	propagators     propagation.TextMapPropagator
	excluded        []*regexp.Regexp
	excludedPaths   []string
	mux             *http.ServeMux
	methods         []string
	durationBuckets []float64
	durationBounds  []float64 // in seconds; added to the server's
	sizeBuckets     []float64

	attributes     []attributesFunc
	attributeLimit int
	labeler        bool
	streams        map[string]bool // by route: always, or never
	contested      []string        // routes that were given as both
	urlTemplate    func(*http.Request) string
	errorHandler   func(error)

	given.Options // those that were given nil
}

// WithMeterProvider sets where the instruments are created. Default: [otel.GetMeterProvider].
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(c *config) {
		if c.Given("WithMeterProvider", p) {
			c.meters = p
		}
	}
}

// WithTracerProvider puts otelhttp in the chain, for spans and context propagation, with its meter
// switched off. A span's name is the method and the route. Default: none, and no otelhttp.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *config) {
		if c.Given("WithTracerProvider", p) {
			c.tracers = p
		}
	}
}

// WithPropagators sets how span contexts travel in headers. It matters only together with
// [WithTracerProvider]. Default: [otel.GetTextMapPropagator].
func WithPropagators(p propagation.TextMapPropagator) Option {
	return func(c *config) {
		if c.Given("WithPropagators", p) {
			c.propagators = p
		}
	}
}

// WithExcluded leaves out of the metrics every request whose route or path matches one of the
// expressions. Where the path matches, otelhttp does not see the request either. It adds to what
// earlier uses of it gave, and to the exact paths of [WithExcludedPaths].
func WithExcluded(expressions ...*regexp.Regexp) Option {
	return func(c *config) { c.excluded = append(c.excluded, expressions...) }
}

// WithExcludedPaths replaces the list of exact paths that are not instrumented; with no argument
// nothing is excluded by path. Default: [DefaultExcludedPaths].
func WithExcludedPaths(paths ...string) Option {
	return func(c *config) { c.excludedPaths = slices.Clone(paths) }
}

// WithMux names the mux that routes the requests, where it is not the next handler itself and the
// request was copied on the way to it. It is asked only for requests whose route is not known
// otherwise. See also [Routes], which costs less.
func WithMux(mux *http.ServeMux) Option {
	return func(c *config) {
		if c.Given("WithMux", mux) {
			c.mux = mux
		}
	}
}

// WithErrorHandler sets who is told of run-time failures that have no caller: a function of an option that panics, a measurement that
// was lost. Each is told of when it begins, which is after a minute without it. f must be safe for concurrent use. Default: [otel.Handle].
func WithErrorHandler(f func(error)) Option {
	return func(c *config) {
		if c.Given("WithErrorHandler", f) {
			c.errorHandler = f
		}
	}
}

// DefaultDurationBuckets returns the upper bounds, in seconds, of the request duration's buckets unless
// [WithDurationBuckets] says otherwise. They are those of the semantic conventions, for servers and
// clients. The slice is the caller's.
func DefaultDurationBuckets() []float64 {
	return []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
}

// WithDurationBuckets sets the upper bounds, in seconds, of the request duration's buckets. They must
// be finite and ascend. Default: [DefaultDurationBuckets].
func WithDurationBuckets(bounds ...float64) Option {
	return func(c *config) { c.durationBuckets = slices.Clone(bounds) }
}

// maxDurationBounds is far more than a service has objectives. Each bound is one more series for every route, method and status.
const maxDurationBounds = 20

// WithDurationBounds adds upper bounds to the buckets of a server's request duration, whichever they are: those of a service's
// objectives, so that the share of requests within each of them is exact. From 1 µs up, at most 20 of them, in any order; what is a
// bound already stays one. [WithDurationBuckets] replaces buckets, this adds to them. Default: none.
//
//	middleware.WithDurationBounds(300*time.Millisecond, time.Second)
func WithDurationBounds(bounds ...time.Duration) Option {
	return func(c *config) {
		for _, b := range bounds {
			c.durationBounds = append(c.durationBounds, float64(b)/float64(time.Second))
		}
	}
}

// serverBuckets are the bounds of a server's request duration. They ascend.
func (c *config) serverBuckets() []float64 {
	all := slices.Concat(c.durationBuckets, c.durationBounds)
	slices.Sort(all)
	return slices.Compact(all)
}

// WithSizeBuckets sets the upper bounds, in bytes, of the body sizes' buckets. They must be finite and
// ascend. Default: 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8.
func WithSizeBuckets(bounds ...float64) Option {
	return func(c *config) { c.sizeBuckets = slices.Clone(bounds) }
}

// DefaultKnownMethods returns the methods that are known unless [WithKnownMethods] says otherwise: those of the
// semantic conventions. The slice is the caller's.
func DefaultKnownMethods() []string {
	return []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace, "QUERY",
	}
}

// maxKnownMethods is more than all methods that were ever registered, which are about forty.
const maxKnownMethods = 100

// WithKnownMethods replaces the list of methods that are values of http.request.method, of servers and clients; all
// others are _OTHER. A service that speaks WebDAV adds its methods to the default:
//
//	middleware.WithKnownMethods(append(middleware.DefaultKnownMethods(), "PROPFIND", "MKCOL", "LOCK", "UNLOCK")...)
//
// Methods are case-sensitive. There must be at least one and at most 100. It is the list that the semantic conventions call
// OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS. Default: [DefaultKnownMethods].
func WithKnownMethods(methods ...string) Option {
	return func(c *config) { c.methods = slices.Clone(methods) }
}

// checkMethods reports what is no method, by the grammar of RFC 9110, section 5.6.2.
func checkMethods(known []string) error {
	if len(known) == 0 || len(known) > maxKnownMethods {
		return fmt.Errorf("middleware: WithKnownMethods=%q: %d methods; from 1 to %d", known, len(known), maxKnownMethods)
	}
	var errs []error
	for _, name := range known {
		noToken := func(r rune) bool {
			return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
		}
		if name == "" || strings.ContainsFunc(name, noToken) {
			errs = append(errs, fmt.Errorf("middleware: WithKnownMethods=%q: not a method; letters, digits and a hyphen, such as PROPFIND", name))
		}
	}
	return errors.Join(errs...)
}

// newConfig applies opts to the defaults and reports everything that is wrong with the result.
func newConfig(opts []Option) (*config, error) {
	c := &config{
		meters:          otel.GetMeterProvider(),
		errorHandler:    otel.Handle,
		excludedPaths:   DefaultExcludedPaths(),
		methods:         DefaultKnownMethods(),
		durationBuckets: DefaultDurationBuckets(),
		attributeLimit:  defaultAttributeLimit,
		sizeBuckets:     []float64{100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8},
	}
	for i, o := range opts {
		if c.Given(fmt.Sprintf("option %d", i+1), o) {
			o(c)
		}
	}
	return c, c.validate()
}

func (c *config) validate() error {
	errs := []error{
		checkBounds("WithDurationBuckets", c.durationBuckets),
		checkDurationBounds(c.durationBounds),
		checkBounds("WithSizeBuckets", c.sizeBuckets),
		checkMethods(c.methods),
		c.checkOwn(),
		c.Err("middleware"),
	}
	if slices.Contains(c.excluded, nil) {
		errs = append(errs, errors.New(`middleware: WithExcluded="<nil>": not an expression; every argument must be a compiled one`))
	}
	return errors.Join(errs...)
}

func checkDurationBounds(bounds []float64) error {
	if len(bounds) > maxDurationBounds {
		return fmt.Errorf("middleware: WithDurationBounds=\"%v\": %d bounds; at most %d", bounds, len(bounds), maxDurationBounds)
	}
	for _, b := range bounds {
		if b < 1e-6 {
			return fmt.Errorf("middleware: WithDurationBounds=\"%v\": %v s is out of place; bounds must be at least 1µs", bounds, b)
		}
	}
	return nil
}

func checkBounds(option string, bounds []float64) error {
	for i, b := range bounds {
		if math.IsNaN(b) || math.IsInf(b, 0) || (i > 0 && b <= bounds[i-1]) {
			return fmt.Errorf("middleware: %s=\"%v\": %v is out of place; bounds must be finite and ascend", option, bounds, b)
		}
	}
	return nil
}
