package telemetrytest

import (
	"math"
	"mime"
	"net/http"
	"strconv"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// write gives a over HTTP. It flushes, so that an answer given is an answer sent even when the
// backend goes down right after.
func (a Answer) write(w http.ResponseWriter) {
	body := a.body()
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(a.retryAfter.Seconds()))))
	}
	w.WriteHeader(a.status)
	// The client may be gone: then there is nobody to tell.
	_, _ = w.Write(body)
	_ = http.NewResponseController(w).Flush()
}

func (a Answer) body() []byte {
	switch {
	case a.page != "":
		return []byte(a.page)
	case a.status == http.StatusNoContent:
		return nil
	case a.status/100 == 2:
		return a.encode(a.success())
	default:
		return a.encode(status.New(a.code(), a.message).Proto())
	}
}

// success is the OTLP answer to a request whose data was taken.
func (a Answer) success() *colmetricpb.ExportMetricsServiceResponse {
	resp := &colmetricpb.ExportMetricsServiceResponse{}
	if a.partial {
		resp.PartialSuccess = &colmetricpb.ExportMetricsPartialSuccess{RejectedDataPoints: a.rejected, ErrorMessage: a.message}
	}
	return resp
}

func (a Answer) encode(m proto.Message) []byte {
	marshal := proto.Marshal
	if mediaType, _, err := mime.ParseMediaType(a.contentType); err == nil && mediaType == "application/json" {
		marshal = protojson.Marshal
	}
	body, err := marshal(m)
	if err != nil {
		// Only a message that is not UTF-8 gets here, and saying so beats an answer that looks like success.
		return []byte("telemetrytest: " + err.Error())
	}
	return body
}

// wait lets a's delay pass, unless one of the channels closes earlier.
func (a Answer) wait(client, down <-chan struct{}) {
	if a.delay <= 0 {
		return
	}
	timer := time.NewTimer(a.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-client:
	case <-down:
	}
}
