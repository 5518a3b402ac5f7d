package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/ottogate/ottogate/configfile"
)

// readPool reads the certificates to trust from a PEM file.
func readPool(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("certificates to trust: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("certificates to trust: %s holds no PEM certificate", path)
	}
	return pool, nil
}

// serverTLS reads the public listener's certificate; nil means plain text.
func serverTLS(settings *configfile.ServerTLS) (*tls.Config, error) {
	if settings == nil {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(settings.Cert, settings.Key)
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}, nil
}
