package service

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // requests may be compressed
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	secret = "s3cr3t-of-the-simulation"
	many   = 256 << 20 // bytes of a message; what limits them is the fault
)

// fate is what becomes of a request.
type fate struct {
	name  string
	code  int           // of an HTTP answer that refuses
	after time.Duration // Retry-After, RetryInfo, or how late
}

// backend receives OTLP over HTTP and gRPC. Every request draws its fate.
type backend struct {
	colmetricpb.UnimplementedMetricsServiceServer
	world    *world
	web, rpc *network
	serving  sync.WaitGroup
	stop     func()

	mu       sync.Mutex
	rng      *rand.Rand
	faulty   bool
	poison   string // a series; a request that has it is refused
	most     int    // points of a request; 0 for any number
	accepted map[string]time.Time
	points   int64 // accepted
	long     int   // answers that were too long so far
}

func newBackend(w *world) *backend {
	b := &backend{world: w, web: newNetwork(), rpc: newNetwork(), rng: rand.New(rand.NewPCG(w.plan.seed, 2)), accepted: map[string]time.Time{}}
	h := &http.Server{Handler: b, ErrorLog: log.New(io.Discard, "", 0), ReadTimeout: 5 * time.Minute, IdleTimeout: 5 * time.Minute}
	options := []grpc.ServerOption{grpc.MaxRecvMsgSize(many), grpc.MaxSendMsgSize(many)}
	if w.plan.has("goaway") {
		options = append(options, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 3 * w.plan.interval, MaxConnectionAgeGrace: w.plan.interval}))
	}
	g := grpc.NewServer(options...)
	colmetricpb.RegisterMetricsServiceServer(g, b)
	b.serving.Go(func() { _ = h.Serve(b.web) })
	b.serving.Go(func() { _ = g.Serve(b.rpc) })
	b.stop = func() {
		_ = h.Close()
		g.Stop()
		b.serving.Wait()
	}
	return b
}

// set begins or ends the faults.
func (b *backend) set(faulty bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faulty = faulty
	if b.poison, b.most = "", 0; !faulty {
		return
	}
	if b.world.plan.has("poison") {
		b.poison = fmt.Sprintf("sim_requests{shard=%d}", b.rng.IntN(b.world.plan.shards))
	}
	if b.world.plan.has("limit") {
		b.most = 1 + b.rng.IntN(60)
	}
}

// draw decides the fate of a request.
func (b *backend) draw(r *colmetricpb.ExportMetricsServiceRequest, points []point, all int) fate {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.most > 0 && all > b.most {
		return fate{name: "limit"}
	}
	for _, p := range points {
		if p.series == b.poison {
			return fate{name: "poison", code: []int{400, 500}[b.world.plan.seed%2]}
		}
	}
	if cannotTake(r) {
		return fate{name: "unfit", code: 500}
	}
	if !b.faulty || b.rng.Float64() >= b.world.plan.trouble {
		return fate{}
	}
	f := fate{name: b.world.plan.pick(b.rng, answers)}
	switch f.name {
	case "poison", "limit":
		return fate{} // they strike by what is in a request
	case "refused":
		f.code = []int{400, 401, 403, 404, 408, 409, 415, 422, 429, 500, 501, 502, 503, 504}[b.rng.IntN(14)]
	case "retry-after":
		f.code = []int{429, 503, 500, 502}[b.rng.IntN(4)]
		f.after = time.Duration(b.rng.IntN(int(3*b.world.plan.interval/time.Second)+2)) * time.Second
	case "late", "hang-before", "hang-after":
		f.after = time.Duration(b.rng.Int64N(int64(2 * b.world.plan.timeout)))
	case "long": // some megabytes each
		if b.long++; b.long > 3 {
			return fate{}
		}
	case "partial":
		f.code = b.rng.IntN(all + 1)
	}
	return f
}

// cannotTake reports what Prometheus's receiver refuses a whole request for: a key that no label can be made of,
// and an exponential histogram too coarse for a native one.
func cannotTake(r *colmetricpb.ExportMetricsServiceRequest) bool {
	odd := func(attributes []*commonpb.KeyValue) bool {
		return slices.ContainsFunc(attributes, func(kv *commonpb.KeyValue) bool { return strings.Trim(kv.GetKey(), "_") == "" })
	}
	for _, resource := range r.GetResourceMetrics() {
		for _, scope := range resource.GetScopeMetrics() {
			for _, metric := range scope.GetMetrics() {
				for _, p := range metric.GetSum().GetDataPoints() {
					if odd(p.GetAttributes()) {
						return true
					}
				}
				for _, p := range metric.GetExponentialHistogram().GetDataPoints() {
					if p.GetScale() < -4 {
						return true
					}
				}
			}
		}
	}
	return false
}

// take has the backend accept a request. A partial success takes the first points only.
func (b *backend) take(r *colmetricpb.ExportMetricsServiceRequest) {
	points, all := decode(r)
	b.mu.Lock()
	if all > 0 {
		b.accepted[sender(r)] = time.Now()
	}
	b.points += int64(all)
	b.mu.Unlock()
	b.world.truth.accept(points)
}

// lastAccepted returns when something of a life was accepted last.
func (b *backend) lastAccepted(life string) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.accepted[life]
}

// meet decides the fate of a request, takes what it takes, and tells the story.
func (b *backend) meet(protocol string, r *colmetricpb.ExportMetricsServiceRequest) fate {
	points, all := decode(r)
	f := b.draw(r, points, all)
	life := sender(r)
	b.world.struck(life, protocol, f.name)
	switch f.name {
	case "", "lost", "late", "long", "cut", "hang-after":
		b.take(r)
	case "partial":
		kept := cutTo(r, f.code)
		b.take(kept)
		_, took := decode(kept)
		f.code = all - took
	}
	b.world.tell("backend: %d points of %s over %s: %s", all, life, protocol, f)
	return f
}

// sender returns whose request it is, or was when it went to the spool.
func sender(r *colmetricpb.ExportMetricsServiceRequest) string {
	if len(r.GetResourceMetrics()) == 0 {
		return ""
	}
	return attributeMap(r.GetResourceMetrics()[0].GetResource().GetAttributes())["service.instance.id"]
}

func (f fate) String() string {
	switch {
	case f.name == "":
		return "accepted"
	case f.code != 0:
		return fmt.Sprintf("%s %d (%v)", f.name, f.code, f.after)
	case f.after != 0:
		return fmt.Sprintf("%s (%v)", f.name, f.after)
	}
	return f.name
}

// wait sleeps, or until the client has left.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // to return would be to accept
	}
	if r.Header.Get("Authorization") != "Bearer "+secret || r.Header.Get("Content-Type") != "application/x-protobuf" {
		b.world.broken("a request has its headers", "%v", r.Header)
	}
	request := new(colmetricpb.ExportMetricsServiceRequest)
	if err := unmarshal(body, r.Header.Get("Content-Encoding"), request); err != nil {
		b.world.broken("a request is what it says", "%v", err)
	}
	answer := new(colmetricpb.ExportMetricsServiceResponse)
	w.Header().Set("Content-Type", "application/x-protobuf")
	switch f := b.meet("http", request); f.name {
	case "lost":
		panic(http.ErrAbortHandler)
	case "late", "hang-after":
		wait(r.Context(), f.after)
	case "hang-before":
		wait(r.Context(), f.after)
		panic(http.ErrAbortHandler)
	case "long":
		answer.PartialSuccess = &colmetricpb.ExportMetricsPartialSuccess{ErrorMessage: strings.Repeat("long ", 40<<10)}
	case "cut":
		hijacked(w, "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 400\r\n\r\nhalf", nil)
		return
	case "html":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><html><title>Sign in</title></html>")
		return
	case "refused", "poison", "unfit":
		http.Error(w, "no", f.code)
		return
	case "retry-after":
		w.Header().Set("Retry-After", strconv.Itoa(int(f.after/time.Second)))
		http.Error(w, "later", f.code)
		return
	case "limit":
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	case "partial":
		answer.PartialSuccess = &colmetricpb.ExportMetricsPartialSuccess{RejectedDataPoints: int64(f.code), ErrorMessage: "some"}
	case "switching":
		hijacked(w, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n", nil)
		return
	case "continues":
		hijacked(w, "", func(out io.Writer) {
			for range 1000 {
				if _, err := io.WriteString(out, "HTTP/1.1 103 Early Hints\r\n\r\n"); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		return
	case "redirect":
		w.Header().Set("Location", "http://elsewhere/v1/metrics?token="+secret)
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	out, _ := proto.Marshal(answer)
	_, _ = w.Write(out)
}

// hijacked answers with bytes of its own and keeps the connection until the client ends it.
func hijacked(w http.ResponseWriter, text string, then func(io.Writer)) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, text)
	if then != nil {
		then(c)
		return
	}
	_, _ = io.Copy(io.Discard, c)
}

func unmarshal(raw []byte, encoding string, into proto.Message) error {
	if encoding == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return err
		}
		if raw, err = io.ReadAll(z); err != nil {
			return err
		}
	}
	return proto.Unmarshal(raw, into)
}

// grpcCodes are gRPC's words for the statuses of HTTP, as far as the specification has some.
var grpcCodes = map[int]codes.Code{
	400: codes.InvalidArgument, 401: codes.Unauthenticated, 403: codes.PermissionDenied, 404: codes.NotFound, 408: codes.Canceled,
	409: codes.Aborted, 415: codes.OutOfRange, 422: codes.FailedPrecondition, 429: codes.ResourceExhausted, 500: codes.Internal, 501: codes.Unimplemented,
	502: codes.DataLoss, 503: codes.Unavailable, 504: codes.DeadlineExceeded,
}

// Export implements [colmetricpb.MetricsServiceServer].
func (b *backend) Export(ctx context.Context, r *colmetricpb.ExportMetricsServiceRequest) (*colmetricpb.ExportMetricsServiceResponse, error) {
	if md, _ := metadata.FromIncomingContext(ctx); len(md["authorization"]) != 1 || md["authorization"][0] != "Bearer "+secret {
		b.world.broken("a request has its headers", "%v", md)
	}
	answer := new(colmetricpb.ExportMetricsServiceResponse)
	switch f := b.meet("grpc", r); f.name {
	case "lost", "cut":
		b.rpc.cut()
		return nil, status.Error(codes.Unavailable, "")
	case "late", "hang-after":
		wait(ctx, f.after)
	case "hang-before", "switching", "continues":
		wait(ctx, f.after)
		return nil, status.Error(codes.Unavailable, "")
	case "long":
		answer.PartialSuccess = &colmetricpb.ExportMetricsPartialSuccess{ErrorMessage: strings.Repeat("long ", 900<<10)}
	case "html", "redirect": // what stands in front does not speak gRPC
		return nil, status.Error(codes.Unknown, "unexpected HTTP status code received from server: 302")
	case "refused", "poison", "unfit":
		return nil, status.Error(grpcCodes[f.code], "no")
	case "retry-after":
		later, err := status.New(grpcCodes[f.code], "later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(f.after)})
		if err != nil {
			return nil, err
		}
		return nil, later.Err()
	case "limit":
		return nil, status.Error(codes.ResourceExhausted, "grpc: received message larger than max (9 vs. 3)")
	case "partial":
		answer.PartialSuccess = &colmetricpb.ExportMetricsPartialSuccess{RejectedDataPoints: int64(f.code), ErrorMessage: "some"}
	}
	return answer, nil
}
