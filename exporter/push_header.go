package exporter

import (
	"crypto/tls"
	"net/textproto"
)

// headers are those of the next request. Their names are in the canonical form, so that one wins over another whatever
// their case.
func (c PushConfig) headers() map[string]string {
	headers := make(map[string]string, len(c.Headers))
	add := func(secrets map[string]Secret) {
		for name, value := range secrets {
			headers[textproto.CanonicalMIMEHeaderKey(name)] = value.Reveal()
		}
	}
	add(c.Headers)
	if c.HeadersFunc != nil {
		add(c.HeadersFunc())
	}
	return headers
}

// tls is TLSFunc, or a function that returns the same copy of TLS each time.
func (c PushConfig) tls() func() *tls.Config {
	if c.TLSFunc != nil {
		return c.TLSFunc
	}
	own := c.TLS.Clone()
	return func() *tls.Config { return own }
}
