package telemetry

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/duotel/duotel/exporter"
)

// exits resolves which exits are on.
func (c Config) exits() (pull, push, console bool) {
	switch {
	case c.Disabled:
		return false, false, false
	case len(c.Exporters) == 0:
		return true, c.Push.Endpoint != "", false
	}
	return slices.Contains(c.Exporters, ExporterPrometheus),
		slices.Contains(c.Exporters, ExporterOTLP),
		slices.Contains(c.Exporters, ExporterConsole)
}

// tlsFiles are the files of the push exit's TLS, "" for one that is not set.
func (c PushConfig) tlsFiles() []string {
	return []string{c.Certificate, c.ClientCertificate, c.ClientKey}
}

// tlsConfig is the client side of the push exit's TLS, from the texts of its files. It makes a new one each time.
func (c PushConfig) tlsConfig(texts [][]byte) (*tls.Config, error) {
	authorities, certificate, key := texts[0], texts[1], texts[2]
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.Certificate != "" {
		pool, err := parseAuthorities(authorities)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Certificate, err)
		}
		cfg.RootCAs = pool
	}
	if c.ClientCertificate != "" {
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", c.ClientCertificate, c.ClientKey, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// checkFiles reads the files of the push exit.
func (c PushConfig) checkFiles() []problem {
	var problems []problem
	if c.HeadersFile != "" {
		problems = c.checkHeadersFile()
	}
	if c.Certificate != "" {
		text, err := readSmall(c.Certificate)
		if err == nil {
			_, err = parseAuthorities(text)
		}
		if err != nil {
			problems = append(problems, problem{"Push.Certificate", c.Certificate, err.Error(), allowedPEM})
		}
	}
	switch {
	case c.ClientCertificate == "" && c.ClientKey == "":
	case c.ClientKey == "":
		problems = append(problems, problem{"Push.ClientKey", "", "is not set, and the client certificate needs it", "both or neither"})
	case c.ClientCertificate == "":
		problems = append(problems, problem{"Push.ClientCertificate", "", "is not set, and the client key needs it", "both or neither"})
	default:
		if _, err := tls.LoadX509KeyPair(c.ClientCertificate, c.ClientKey); err != nil {
			problems = append(problems, problem{"Push.ClientCertificate", c.ClientCertificate, err.Error(), allowedPEM + ", together with the key that belongs to it"})
		}
	}
	return problems
}

// parseAuthorities reads certificate authorities in PEM. A file that ends in the middle of one is being written.
func parseAuthorities(text []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	switch {
	case !pool.AppendCertsFromPEM(text):
		return nil, errors.New("has no certificate in PEM format")
	case bytes.Count(text, []byte("-----BEGIN ")) != bytes.Count(text, []byte("-----END ")):
		return nil, errors.New("ends in the middle of a certificate")
	}
	return pool, nil
}

// files are what is read again for every request: the TLS configuration and the headers of a file. A function is nil
// where there is no file.
func (c PushConfig) files(logger *slog.Logger) (config func() *tls.Config, headers func() map[string]exporter.Secret, err error) {
	security, err := openReread(logger, "a certificate or key of the push exit", c.tlsConfig, c.tlsFiles()...)
	if err != nil {
		return nil, nil, fmt.Errorf("config: Push: %w", err)
	}
	if c.HeadersFile == "" {
		return security.get, nil, nil
	}
	file, err := openReread(logger, "the file of headers", c.headersFrom, c.HeadersFile)
	if err != nil {
		return nil, nil, fmt.Errorf("config: Push.HeadersFile: %w", err)
	}
	return security.get, file.get, nil
}
