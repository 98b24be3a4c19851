package etcd

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duotel/duotel/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpenNamesWhatIsWrong(t *testing.T) {
	for _, row := range []struct {
		url  string
		cfg  Config
		want string
	}{
		{"http://a:1/p", Config{}, "another scheme"},
		{"etcd:///p", Config{}, `Endpoints=""`},
		{"etcd://a:0/p", Config{}, `Endpoints="a:0"`},
		{"etcd://user:hunter2@a:1/p", Config{}, "user information"},
		{"etcd://a:1/p?x=hunter2", Config{}, "a query"},
		{"etcd://a:1/p//q", Config{}, `Prefix="/p//q"`},
		{"etcd://a:1/p", Config{Prefix: "/q"}, `Prefix="/q"`},
		{"etcd://a:1/p", Config{Endpoints: []string{"b:1"}}, `Endpoints=["b:1"]`},
		{"etcd://a:1/p", Config{TLS: &tls.Config{}}, "TLS: is set"},
		{"etcd://a:1/p", Config{TTL: 1500 * time.Millisecond}, `TTL="1.5s"`},
		{"etcd://a:1/p", Config{TTL: 2 * time.Hour}, `TTL="2h0m0s"`},
		{"etcd://a:1/p", Config{DialTimeout: -time.Second}, `DialTimeout="-1s"`},
		{"etcd://a:1/p", Config{Username: "root"}, `Username="root"`},
		{"etcd://a:1/p", Config{Password: discovery.NewSecret("hunter2")}, "one of Username and Password"},
	} {
		_, err := Open(row.url, row.cfg)
		if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error = %v; want it to say %s, and no secret", row.url, err, row.want)
		}
	}
}

func TestURLSaysWhereTheStoreIs(t *testing.T) {
	cfg, err := fromURL("etcds://a:1,b,[2001:db8::7]/x/y/", Config{})
	if got := fmt.Sprintf("%v %s %t %v", cfg.Endpoints, cfg.Prefix, cfg.TLS != nil, err); got != "[a:1 b:2379 [2001:db8::7]:2379] /x/y true <nil>" {
		t.Errorf("read as %s", got)
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	cfg := Config{Password: discovery.NewSecret("hunter2")}
	text, err := json.Marshal(map[string]any{"p": cfg.Password})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "p", cfg.Password, "c", cfg)
	for _, shown := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v %#v %q", cfg, cfg, cfg.Password), string(text), log.String()} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("shown: %s", shown)
		}
	}
	if cfg.Password.Reveal() != "hunter2" {
		t.Error("the text is lost")
	}
}

func TestEqualTargetsHaveEqualValues(t *testing.T) {
	short, err := encode(discovery.Target{Group: "g", ID: "1", Address: "a:1"})
	if err != nil {
		t.Fatal(err)
	}
	long, err := encode(discovery.Target{Group: "g", ID: "1", Address: "a:1", Scheme: "http", Path: "/metrics", TTL: discovery.Duration(discovery.DefaultTTL)})
	if err != nil || short != long {
		t.Errorf("%s\n%s, error %v; want the same", short, long, err)
	}
	if _, err := encode(discovery.Target{Group: "g", ID: "1", Address: "nonsense"}); err == nil {
		t.Error("a target that is not valid was encoded")
	}
}
