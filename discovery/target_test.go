package discovery_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/discovery"
)

// TestValidateRefuses has one defect per row; the error names field and value.
func TestValidateRefuses(t *testing.T) {
	long := strings.Repeat("x", discovery.MaxValueBytes+1)
	many := map[string]string{}
	for i := range discovery.MaxLabels + 1 {
		many[fmt.Sprint("label", i)] = "v"
	}
	for name, tt := range map[string]struct {
		change func(*discovery.Target)
		want   []string
	}{
		"no id":              {func(t *discovery.Target) { t.ID = "" }, []string{`ID=""`}},
		"id with a slash":    {func(t *discovery.Target) { t.ID = "a/b" }, []string{`ID="a/b"`}},
		"id too long":        {func(t *discovery.Target) { t.ID = long }, []string{"ID=", "at most 128"}},
		"no group":           {func(t *discovery.Target) { t.Group = "" }, []string{`Group=""`}},
		"no port":            {func(t *discovery.Target) { t.Address = "host" }, []string{`Address="host"`}},
		"port 0":             {func(t *discovery.Target) { t.Address = "host:0" }, []string{`Address="host:0"`, "1 to 65535"}},
		"port with a name":   {func(t *discovery.Target) { t.Address = "host:http" }, []string{`Address="host:http"`}},
		"no host":            {func(t *discovery.Target) { t.Address = ":80" }, []string{`Address=":80"`}},
		"address as 127.1":   {func(t *discovery.Target) { t.Address = "127.1:80" }, []string{`Address="127.1:80"`, "ends in a number"}},
		"address as hex":     {func(t *discovery.Target) { t.Address = "0x7f000001:80" }, []string{`Address="0x7f000001:80"`, "ends in a number"}},
		"address as number":  {func(t *discovery.Target) { t.Address = "2130706433.:80" }, []string{`Address="2130706433.:80"`, "ends in a number"}},
		"address as octal":   {func(t *discovery.Target) { t.Address = "0177.0.0.08:80" }, []string{`Address="0177.0.0.08:80"`, "ends in a number"}},
		"zone":               {func(t *discovery.Target) { t.Address = "[fe80::1%eth0]:80" }, []string{`Address="[fe80::1%eth0]:80"`}},
		"scheme in address":  {func(t *discovery.Target) { t.Address = "http://host:80" }, []string{"Address=", "has a scheme"}},
		"space in address":   {func(t *discovery.Target) { t.Address = "a b:80" }, []string{`Address="a b:80"`}},
		"scheme":             {func(t *discovery.Target) { t.Scheme = "ftp" }, []string{`Scheme="ftp"`, "http or https"}},
		"relative path":      {func(t *discovery.Target) { t.Path = "metrics" }, []string{`Path="metrics"`}},
		"path with a query":  {func(t *discovery.Target) { t.Path = "/m?a=b" }, []string{`Path="/m?a=b"`, "Params"}},
		"path not UTF-8":     {func(t *discovery.Target) { t.Path = "/\xff" }, []string{"Path=", "UTF-8"}},
		"reserved job":       {func(t *discovery.Target) { t.Labels = map[string]string{"job": "a"} }, []string{`Labels="job"`}},
		"reserved instance":  {func(t *discovery.Target) { t.Labels = map[string]string{"instance": "a"} }, []string{`Labels="instance"`}},
		"reserved __address": {func(t *discovery.Target) { t.Labels = map[string]string{"__address__": "a"} }, []string{`Labels="__address__"`}},
		"empty label name":   {func(t *discovery.Target) { t.Labels = map[string]string{"": "a"} }, []string{`Labels=""`}},
		"label with a dot":   {func(t *discovery.Target) { t.Labels = map[string]string{"a.b": "a"} }, []string{`Labels="a.b"`}},
		"value not UTF-8":    {func(t *discovery.Target) { t.Labels = map[string]string{"a": "\xff"} }, []string{`Labels["a"]`, "UTF-8"}},
		"value too long":     {func(t *discovery.Target) { t.Labels = map[string]string{"a": long} }, []string{`Labels["a"]`, "1025 bytes", "at most 1024"}},
		"too many labels":    {func(t *discovery.Target) { t.Labels = many }, []string{"Labels", "31 entries", "at most 30"}},
		"too much meta":      {func(t *discovery.Target) { t.Meta = many }, []string{"Meta", "31 entries"}},
		"meta of the own":    {func(t *discovery.Target) { t.Meta = map[string]string{"health": "a"} }, []string{`Meta="health"`, "own"}},
		"meta that collides": {func(t *discovery.Target) { t.Meta = map[string]string{"a.b": "1", "a_b": "2"} }, []string{`Meta="a_b"`, `"a.b"`, "__meta_duotel_a_b"}},
		"meta without name":  {func(t *discovery.Target) { t.Meta = map[string]string{"": "1"} }, []string{`Meta=""`}},
		"parameter twice":    {func(t *discovery.Target) { t.Params = map[string][]string{"a": {"1", "2"}} }, []string{`Params["a"]`, "2 values"}},
		"parameter's name":   {func(t *discovery.Target) { t.Params = map[string][]string{"a[]": {"1"}} }, []string{`Params="a[]"`}},
		"short TTL":          {func(t *discovery.Target) { t.TTL = discovery.Duration(time.Millisecond) }, []string{`TTL="1ms"`, "1s to 24h"}},
		"negative TTL":       {func(t *discovery.Target) { t.TTL = -1 }, []string{`TTL="-1ns"`}},
	} {
		t.Run(name, func(t *testing.T) {
			bad := target("a", "1")
			tt.change(&bad)
			err := bad.Validate()
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v; want it to say %s", err, want)
				}
			}
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestValidateShowsNoUserInformation(t *testing.T) {
	bad := target("a", "1")
	bad.Address = "user:secret@host:80"
	if err := bad.Validate(); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error = %v; want one without the password", err)
	}
}

func TestValidateAccepts(t *testing.T) {
	for _, address := range []string{"10.0.0.1:80", "[2001:db8::1]:443", "worker-1.ns.svc.cluster.local:9464", "under_score:1", "localhost:65535", "fully.qualified.:80"} {
		good := target("circuits", "0b3f:7~a@b+c")
		good.Address = address
		good.Meta = map[string]string{"größe": "1", "service.name": "shop"}
		if err := good.Validate(); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestTTLIsWrittenAsPeopleWriteIt(t *testing.T) {
	timed := target("a", "1")
	timed.TTL = discovery.Duration(90 * time.Second)
	text, err := json.Marshal(timed)
	if err != nil || !strings.Contains(string(text), `"ttl":"1m30s"`) {
		t.Fatalf("%s, %v", text, err)
	}
	back, err := discovery.DecodeTarget(text)
	if err != nil || back.TTL != timed.TTL {
		t.Errorf("ttl = %v, error %v", back.TTL, err)
	}
}

// TestD3BrokenEntriesAreRefused has what a foreign or half-written entry of a store can look like.
func TestD3BrokenEntriesAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"unknown field":     `{"group":"a","id":"1","address":"h:1","colour":"red"}`,
		"number as value":   `{"group":"a","id":"1","address":"h:1","labels":{"a":1}}`,
		"null":              `null`,
		"null as value":     `{"group":"a","id":"1","address":"h:1","labels":{"a":null}}`,
		"null as field":     `{"group":"a","id":"1","address":"h:1","labels":null}`,
		"empty label name":  `{"group":"a","id":"1","address":"h:1","labels":{"":"a"}}`,
		"invalid UTF-8":     "{\"group\":\"a\",\"id\":\"1\",\"address\":\"h:1\",\"labels\":{\"a\":\"\xff\"}}",
		"number as TTL":     `{"group":"a","id":"1","address":"h:1","ttl":30}`,
		"TTL without unit":  `{"group":"a","id":"1","address":"h:1","ttl":"30"}`,
		"a list":            `[]`,
		"something follows": `{"group":"a","id":"1","address":"h:1"} {}`,
		"cut off":           `{"group":"a","id":"1","addr`,
		"nothing":           ``,
	} {
		if _, err := discovery.DecodeTarget([]byte(text)); err == nil {
			t.Errorf("%s: no error for %s", name, text)
		}
	}
}

func FuzzDecodeTarget(f *testing.F) {
	f.Add([]byte(`{"group":"a","id":"1","address":"h:1","labels":{"a":"b"},"meta":{"c.d":"e"},"params":{"p":["v"]},"ttl":"30s"}`))
	f.Add([]byte(`{"group":"a","id":"1","address":"[::1]:1","scheme":"https","path":"/m"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := discovery.DecodeTarget(text)
		if err != nil {
			return
		}
		if err := got.Validate(); err != nil {
			t.Fatalf("what was decoded is not valid: %v", err)
		}
		written, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		again, err := discovery.DecodeTarget(written)
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, written)
		}
		if fmt.Sprint(again) != fmt.Sprint(got) {
			t.Fatalf("%v became %v", got, again)
		}
	})
}

// TestD13AddressesThatLeadElsewhere has the many ways to write an address that leads into a machine, or to what a cloud tells its machines.
func TestD13AddressesThatLeadElsewhere(t *testing.T) {
	r := start(t, discovery.Config{})
	for _, address := range []string{
		"[fd00:ec2::254]:80", "100.100.100.200:80", "[64:ff9b::a9fe:a9fe]:80", "[2002:a9fe:a9fe::1]:80", "[::127.0.0.1]:80", "[::ffff:0:127.0.0.1]:80",
		"[fec0::1]:80", "0.1.2.3:80", "255.255.255.255:80",
	} {
		if _, err := r.Put(t.Context(), discovery.Target{Group: "a", ID: "1", Address: address}, 0); err == nil || !strings.Contains(err.Error(), "Address") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"[64:ff9b::808:808]:80", "[2002:808:808::1]:80", "[2001:db8::1]:80", "[fd00::1]:80", "100.64.0.1:80"} {
		if _, err := r.Put(t.Context(), discovery.Target{Group: "a", ID: "1", Address: address}, 0); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}
