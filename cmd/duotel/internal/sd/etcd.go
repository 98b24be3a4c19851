package sd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/discovery/etcd"
)

// etcdFlags say who the server is for its etcd, and whom it trusts.
type etcdFlags struct {
	username, passwordFile             string
	certificate, clientCert, clientKey string
}

func (f *etcdFlags) register(set *flag.FlagSet) {
	set.StringVar(&f.username, "store-username", "", "user `name` for etcd, together with -store-password-file")
	set.StringVar(&f.passwordFile, "store-password-file", "", "`file` with the password for etcd, and nothing else but a line break at its end")
	set.StringVar(&f.certificate, "store-certificate", "", "PEM `file` with the authorities to trust for etcds:// instead of the system's")
	set.StringVar(&f.clientCert, "store-client-certificate", "", "PEM `file` with a client's certificate for etcds://, read again for every connection")
	set.StringVar(&f.clientKey, "store-client-key", "", "PEM `file` with the key of -store-client-certificate")
}

// config returns what the flags say, or everything that is wrong with them.
func (f etcdFlags) config() (etcd.Config, error) {
	var errs []error
	cfg := etcd.Config{Username: f.username}
	switch {
	case (f.username == "") != (f.passwordFile == ""):
		errs = append(errs, fmt.Errorf("-store-username=%q, -store-password-file=%q: one is missing; both or neither", f.username, f.passwordFile))
	case f.passwordFile != "":
		password, err := readPassword(f.passwordFile)
		if err != nil {
			errs = append(errs, fmt.Errorf("-store-password-file=%q: %w; a file with the password", f.passwordFile, err))
		}
		cfg.Password = discovery.NewSecret(password)
	}
	security, err := f.tls()
	cfg.TLS = security
	return cfg, errors.Join(append(errs, err)...)
}

func readPassword(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if password == "" {
		return "", errors.New("is empty")
	}
	return password, nil
}

// tls returns nil when no flag is about it.
func (f etcdFlags) tls() (*tls.Config, error) {
	if f.certificate == "" && f.clientCert == "" && f.clientKey == "" {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	var errs []error
	if f.certificate != "" {
		text, err := os.ReadFile(f.certificate)
		if cfg.RootCAs = x509.NewCertPool(); err == nil && !cfg.RootCAs.AppendCertsFromPEM(text) {
			err = errors.New("holds no certificate in PEM")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("-store-certificate=%q: %w; a PEM file with authorities", f.certificate, err))
		}
	}
	switch {
	case (f.clientCert == "") != (f.clientKey == ""):
		errs = append(errs, fmt.Errorf("-store-client-certificate=%q, -store-client-key=%q: one is missing; both or neither", f.clientCert, f.clientKey))
	case f.clientCert != "":
		if _, err := tls.LoadX509KeyPair(f.clientCert, f.clientKey); err != nil {
			errs = append(errs, fmt.Errorf("-store-client-certificate=%q: %w; a PEM file, together with the key that belongs to it", f.clientCert, err))
		}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(f.clientCert, f.clientKey)
			return &pair, err
		}
	}
	return cfg, errors.Join(errs...)
}
