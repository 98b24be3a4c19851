package exporter_test

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/duotel/duotel/exporter"
)

// What becomes of the points of a last push that is refused: they are in the spool, for another start to deliver. What is
// refused for what is in it is divided then.
func TestWhatBecomesOfALastPushThatIsRefused(t *testing.T) {
	for _, tt := range []struct {
		http int
		grpc codes.Code
	}{
		{302, codes.Unimplemented},
		{401, codes.Unauthenticated},
		{403, codes.PermissionDenied},
		{404, codes.Unimplemented},
		{418, codes.Unauthenticated},
		{429, codes.ResourceExhausted},
		{500, codes.DataLoss},
		{503, codes.Unavailable},
		{400, codes.InvalidArgument},
		{422, codes.FailedPrecondition},
	} {
		t.Run(fmt.Sprint(tt.http), func(t *testing.T) {
			everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
				cfg := b.to(protocol, exporter.PushConfig{SpoolDir: t.TempDir()})
				p, _ := newPush(t, cfg)
				b.judgeBy(func(arrival) (httpAnswer, grpcReply) { return respond(tt.http, "", ""), refuse(tt.grpc, "") })
				if err := p.Shutdown(t.Context()); err == nil {
					t.Error("the refusal was not reported")
				}
				s := p.Stats()
				if s.PointsSpooled != 1 || s.PointsLost != 0 {
					t.Errorf("%+v", s)
				}
				b.judgeBy(nil)
				next, _ := newPush(t, cfg)
				if err := next.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if s := next.Stats(); s.PointsReplayed != p.Stats().PointsSpooled || s.SpoolRequests != 0 {
					t.Errorf("the next start: %+v", s)
				}
			})
		})
	}
}
