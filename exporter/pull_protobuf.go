package exporter

import (
	"bytes"
	"errors"
	"io"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/duotel/duotel/exporter/internal/exposition"
)

// writeReadable answers in the two forms of protobuf that people read. Nobody scrapes them, so the page is made as a
// scraper gets it and read again; it is held whole.
func (p *Pull) writeReadable(w io.Writer, format expfmt.Format, how exposition.Format, in exposition.Input) (exposition.Result, error) {
	var page bytes.Buffer
	result, err := p.encoder.Encode(&page, how, in)
	if err != nil {
		return result, err
	}
	out := &counter{w: w}
	encoder := expfmt.NewEncoder(out, format)
	for {
		var family dto.MetricFamily
		if err = protodelim.UnmarshalFrom(&page, &family); err != nil {
			break
		}
		if err = encoder.Encode(&family); err != nil {
			break
		}
	}
	result.Bytes = out.n
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return result, err
}

// counter counts the bytes that pass.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
