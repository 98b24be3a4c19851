package discovery

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers every question with one address after the other, the last one for ever. It stands for a
// name whose owner changes where it leads.
type nameServer struct{ addresses []netip.Addr }

// dial returns a connection to the name server, for [net.Resolver].
func (s *nameServer) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go s.serve(server)
	return client, nil
}

// serve answers one question in the form that is used over a stream: two bytes of length before each message.
func (s *nameServer) serve(c net.Conn) {
	defer c.Close()
	head := make([]byte, 2)
	if _, err := c.Read(head); err != nil {
		return
	}
	text := make([]byte, int(head[0])<<8|int(head[1]))
	if _, err := c.Read(text); err != nil {
		return
	}
	var question dnsmessage.Message
	if question.Unpack(text) != nil {
		return
	}
	answer := dnsmessage.Message{Header: dnsmessage.Header{ID: question.ID, Response: true, RecursionAvailable: true}, Questions: question.Questions}
	if q := question.Questions[0]; q.Type == dnsmessage.TypeA {
		at := s.addresses[0]
		if len(s.addresses) > 1 {
			s.addresses = s.addresses[1:]
		}
		answer.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0},
			Body:   &dnsmessage.AResource{A: at.As4()},
		}}
	}
	packed, err := answer.Pack()
	if err != nil {
		return
	}
	_, _ = c.Write(append([]byte{byte(len(packed) >> 8), byte(len(packed))}, packed...))
}

// TestD13NamesAreJudgedWhenTheyAreDialled shows that the address that is connected to is the one that is judged: a
// name that led to an allowed address first, and leads to this machine now, is refused.
func TestD13NamesAreJudgedWhenTheyAreDialled(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, elsewhere := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	ask := func(policy AddressPolicy, addresses ...netip.Addr) error {
		p := newProber(Probe{}, policy)
		p.dialer.Resolver = &net.Resolver{PreferGo: true, Dial: (&nameServer{addresses}).dial}
		var err error
		for range addresses {
			err = p.ask(t.Context(), Target{Address: "changes.example.:" + port, Scheme: "http", Path: "/"})
		}
		return err
	}
	onlyElsewhere := AddressPolicy{Allow: []netip.Prefix{netip.PrefixFrom(elsewhere, 32)}}
	if err := ask(onlyElsewhere, elsewhere, here); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("error = %v; want the second address refused", err)
	}
	if err := ask(AddressPolicy{}, here); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("error = %v; want loopback refused", err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the page was asked %d times; want never", n)
	}
	if err := ask(AddressPolicy{Allow: []netip.Prefix{netip.PrefixFrom(here, 32)}}, here); err != nil || asked.Load() != 1 {
		t.Errorf("error = %v, asked %d times; want the name server to work where the address is allowed", err, asked.Load())
	}
}
