package telemetry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"slices"
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

// tlsConfig is the client side of the push exit's TLS.
func (c Config) tlsConfig() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.Push.Certificate != "" {
		pool, err := loadAuthorities(c.Push.Certificate)
		if err != nil {
			return nil, problem{wrong: err.Error(), allowed: allowedPEM}.text("config", "Push.Certificate", c.Push.Certificate)
		}
		cfg.RootCAs = pool
	}
	if c.Push.ClientCertificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Push.ClientCertificate, c.Push.ClientKey)
		if err != nil {
			return nil, problem{wrong: err.Error(), allowed: allowedPEM}.text("config", "Push.ClientCertificate", c.Push.ClientCertificate)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// checkFiles reads the files of the push exit's TLS.
func (c PushConfig) checkFiles() []problem {
	var problems []problem
	if c.Certificate != "" {
		if _, err := loadAuthorities(c.Certificate); err != nil {
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

// loadAuthorities reads certificate authorities from a PEM file.
func loadAuthorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("has no certificate in PEM format")
	}
	return pool, nil
}
