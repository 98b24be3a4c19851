package exporter_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/duotel/duotel/exporter"
)

const token = "hunter2-and-more"

// F38: a Secret is not printed, wherever it is.
func TestF38SecretIsNotPrinted(t *testing.T) {
	type hidden struct{ secret exporter.Secret }
	s := exporter.NewSecret(token)
	cfg := exporter.PushConfig{Endpoint: "http://u:" + token + "@h/m?k=" + token, Headers: map[string]exporter.Secret{"k": s}}
	var log strings.Builder
	for _, value := range []any{s, &s, hidden{s}, &hidden{s}, []exporter.Secret{s}, map[string]exporter.Secret{"k": s}, cfg, &cfg, []any{cfg}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %[1]v"} {
			log.WriteString(fmt.Sprintf(verb, value))
		}
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "value", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "value", value)
		text, _ := json.Marshal(value) // a PushConfig has functions, which JSON has not
		log.Write(text)
	}
	for _, form := range []string{token, fmt.Sprintf("%x", token), fmt.Sprintf("%X", token), base64.StdEncoding.EncodeToString([]byte(token))} {
		if at := strings.Index(log.String(), form); at >= 0 {
			t.Errorf("%q is printed: …%s", form, log.String()[max(0, at-60):at+len(form)])
		}
	}
	if s.Reveal() != token || (exporter.Secret{}).Reveal() != "" || !strings.Contains(log.String(), "(not shown)") {
		t.Error("Reveal does not give the text, or nothing stands for it")
	}
}

// F38: what an answer repeats of a request's secrets is in no error, log line or status.
func TestF38EchoedSecrets(t *testing.T) {
	login := base64.StdEncoding.EncodeToString([]byte("me:" + token))
	headers := exporter.NewSecrets(map[string]string{"Authorization": "Bearer " + token, "X-Login": "Basic " + login, "X-Key": "k-" + token})
	filler := strings.Repeat("x", 190) // so that the text is cut inside the secret
	echoes := map[string]string{
		"value": "bad Bearer " + token, "token": "no such token: " + token, "login": "unknown " + login, "password": "me:" + token + " is wrong",
		"cut": filler + " " + token,
	}
	for name, echo := range echoes {
		web := func(status int) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Location", "https://u:"+token+"@elsewhere/m?k="+token)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, echo+" for "+r.URL.String())
			}
		}
		for _, status := range []int{200, 302, 400, 401, 500} {
			server := httptest.NewServer(web(status))
			p, log := newPush(t, exporter.PushConfig{Endpoint: server.URL + "/m?k=" + token, Headers: headers})
			checkSecret(t, fmt.Sprint(name, " ", status), p, log)
			server.Close()
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"partialSuccess":{"rejectedDataPoints":"1","errorMessage":%q}}`, echo)
		}))
		p, log := newPush(t, exporter.PushConfig{Endpoint: server.URL + "/m", Headers: headers})
		checkSecret(t, name+" partial", p, log)
		server.Close()

		b := newLoopback(t)
		b.judge = func(arrival) (httpAnswer, grpcReply) {
			return nil, func(ctx context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) {
				md, _ := metadata.FromIncomingContext(ctx)
				return nil, status.Error(codes.PermissionDenied, echo+md.Get("authorization")[0])
			}
		}
		p, log = newPush(t, b.to(exporter.ProtocolGRPC, exporter.PushConfig{Headers: headers}))
		checkSecret(t, name+" grpc", p, log)
	}
}

func checkSecret(t *testing.T, name string, p *exporter.Push, log *lines) {
	t.Helper()
	err := p.ForceFlush(t.Context())
	said := fmt.Sprintf("%v %v %+v %s", err, p.Preflight(t.Context()), p.Stats(), log)
	if strings.Contains(said, token) || strings.Contains(said, token[:8]) || strings.Contains(said, "bWU6") {
		t.Errorf("%s: a secret is in %s", name, said)
	}
}
