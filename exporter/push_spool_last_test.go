package exporter_test

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/duotel/duotel/exporter"
)

// What becomes of the points of a last push that is refused: those that another start can deliver are in the spool.
func TestWhatBecomesOfALastPushThatIsRefused(t *testing.T) {
	for _, tt := range []struct {
		http    int
		grpc    codes.Code
		spooled bool
	}{
		{302, codes.Unimplemented, true},
		{401, codes.Unauthenticated, true},
		{403, codes.PermissionDenied, true},
		{404, codes.Unimplemented, true},
		{418, codes.Unauthenticated, true},
		{429, codes.ResourceExhausted, true},
		{500, codes.DataLoss, true},
		{503, codes.Unavailable, true},
		{400, codes.InvalidArgument, false},
		{422, codes.FailedPrecondition, false},
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
				if spooled := s.PointsSpooled == 1 && s.PointsLost == 0; spooled != tt.spooled || s.PointsSpooled+s.PointsLost != 1 {
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
