package telemetrytest

import (
	"fmt"
	"net/http"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// code is the gRPC code that corresponds to a's HTTP status.
func (a Answer) code() codes.Code {
	switch a.status {
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.Unimplemented
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return codes.Unavailable
	}
	switch a.status / 100 {
	case 2:
		return codes.OK
	case 4:
		return codes.InvalidArgument
	case 5:
		return codes.Internal
	}
	return codes.Unknown
}

// err gives a over gRPC; nil is success.
func (a Answer) err() error {
	if a.page != "" {
		return status.Error(codes.Unknown, fmt.Sprintf("unexpected HTTP status code %d, content-type %q", a.status, a.contentType))
	}
	st := status.New(a.code(), a.message)
	if st.Code() == codes.OK || a.retryAfter <= 0 {
		return st.Err()
	}
	withRetry, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(a.retryAfter)})
	if err != nil {
		return status.Error(codes.Internal, "telemetrytest: "+err.Error())
	}
	return withRetry.Err()
}
