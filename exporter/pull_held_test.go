package exporter_test

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/exporter"
)

// TestClientsThatDoNotReadHoldFourCollections has 32 clients that ask one after the other and read nothing. However many there
// are, four collections are alive beside the spare one, and a scraper that reads is answered within a second, with what is true then.
func TestClientsThatDoNotReadHoldFourCollections(t *testing.T) {
	for name, test := range map[string]struct {
		headers   string
		perClient int // a connection, its goroutines, the encoder's chunk, the compression's window
	}{
		"text":        {"", 160 << 10},
		"gzip":        {"Accept-Encoding: gzip\r\n", 1200 << 10},
		"OpenMetrics": {"Accept: " + acceptOpenMetrics + "\r\n", 160 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { holdBy32(t, test.headers, test.perClient) })
		})
	}
}

func holdBy32(t *testing.T, headers string, perClient int) {
	var source *exporter.Source
	r := newPull(t, func(c *exporter.PullConfig) { source = c.Source })
	jobs := must(r.meter.Int64Counter("jobs"))
	for instrument := range 40 { // one instrument has a limit of 2,000
		c := must(r.meter.Int64Counter("tasks" + strconv.Itoa(instrument)))
		for i := range 1500 {
			c.Add(t.Context(), 1, metric.WithAttributes(attribute.Int("id", i)))
		}
	}
	r.answerIn(t, acceptText) // caches are the series', not the scrape's
	r.answerIn(t, acceptOpenMetrics)
	first := must(source.Collect(t.Context()))
	one := heapInUse()
	second := must(source.Collect(t.Context()))
	collection := heapInUse() - one
	first.Release()
	second.Release()

	before := heapInUse() // with a spare collection
	for range 32 {
		conn := connect(t, r)
		if _, err := conn.Write([]byte("GET /metrics HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	t.Logf("a collection has %d bytes", collection)
	for second := range 4 {
		held := heapInUse() - before - 32*perClient
		if most := 4 * collection; held > most {
			t.Errorf("after %d s 32 clients hold %d bytes, %.1f collections beside %d for each client, want at most 4", second, held, float64(held)/float64(collection), perClient)
		}
		asked := time.Now()
		jobs.Add(t.Context(), 1, metric.WithAttributes(attribute.String("id", "late"+strconv.Itoa(second))))
		if text := r.answerIn(t, acceptText); !strings.Contains(text, `id="late`+strconv.Itoa(second)) {
			t.Error("the scrape does not show what was recorded before it")
		}
		if took := time.Since(asked); took > time.Second {
			t.Errorf("a scraper that reads waited %s for those that do not", took)
		}
	}
}

// TestSlowClientIsLeftAloneWhilePlacesAreFree reads one answer slowly beside scrapers that read at once.
func TestSlowClientIsLeftAloneWhilePlacesAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPull(t, nil)
		r.fill(t)
		slow := connect(t, r)
		if _, err := slow.Write([]byte("GET /metrics HTTP/1.0\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			time.Sleep(time.Second)
			if w := r.get(http.MethodGet); w.Code != http.StatusOK {
				t.Errorf("a scraper that reads is answered %d", w.Code)
			}
		}
		if text := readAll(t, slow); !strings.Contains(text, `id="1799x`) {
			t.Errorf("the slow client's answer of %d bytes is not whole", len(text))
		}
	})
}

func readAll(t *testing.T, conn net.Conn) string {
	t.Helper()
	var b strings.Builder
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

// TestWritersWithoutDeadlineHoldFourCollections cannot cut anybody off: the next is told so, and is answered when one is gone.
func TestWritersWithoutDeadlineHoldFourCollections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPull(t, nil)
		r.fill(t)
		var resumes []func()
		for range 4 {
			resumes = append(resumes, r.stall("Accept", acceptText))
		}
		w := r.get(http.MethodGet)
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "do not read") || r.Stats().Scrapes["busy"] != 1 {
			t.Errorf("with every place taken: %d %.200s, counted %v", w.Code, w.Body, r.Stats().Scrapes)
		}
		resumes[0]()
		for _, resume := range resumes[1:] {
			defer resume()
		}
		if w := r.get(http.MethodGet); w.Code != http.StatusOK {
			t.Errorf("with a place free: %d %.200s", w.Code, w.Body)
		}
	})
}
