package given_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/duotel/duotel/internal/given"
)

func TestNothing(t *testing.T) {
	var (
		buffer  *bytes.Buffer
		writer  io.Writer = buffer
		handler http.Handler
		f       http.HandlerFunc
	)
	for name, v := range map[string]any{"nil": nil, "pointer": buffer, "pointer in an interface": writer, "interface": handler, "function": f} {
		if !given.Nothing(v) {
			t.Errorf("%s: is something", name)
		}
	}
	for name, v := range map[string]any{
		"pointer": new(bytes.Buffer), "function": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		"empty slice": prometheus.Gatherers(nil), "struct": struct{}{}, "number": 0,
	} {
		if given.Nothing(v) {
			t.Errorf("%s: is nothing", name)
		}
	}
}

func TestOptions(t *testing.T) {
	var o given.Options
	if !o.Given("WithA", 1) || o.Err("house") != nil {
		t.Errorf("an option with a value: %v", o.Err("house"))
	}
	if o.Given("WithB", nil) || o.Given("WithC", http.Handler(nil)) {
		t.Error("options without a value are given")
	}
	const want = `house: WithB="<nil>": is nil; leave the option out for its default` + "\n" + `house: WithC="<nil>": is nil; leave the option out for its default`
	if err := o.Err("house"); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
