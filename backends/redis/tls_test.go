package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

func TestTLSVerifiesTheServer(t *testing.T) {
	cert, key, roots := selfSigned(t)
	ports, err := servers.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	servers.NewRedis(t, "--tls-port", itoa(ports[0]), "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	addr := []string{net.JoinHostPort("127.0.0.1", itoa(ports[0]))}
	warm(t, openWith(t, Config{Addresses: addr, TLS: &tls.Config{RootCAs: roots}}))
	wantCode(t, get(t, openWith(t, Config{Addresses: addr, TLS: &tls.Config{}})), problem.Unavailable)
}

// selfSigned makes a certificate for 127.0.0.1 and the pool that trusts it.
func selfSigned(t *testing.T) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))(t)
	keyDER := must(x509.MarshalPKCS8PrivateKey(key))(t)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(path, kind string, content []byte) []byte {
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return text
	}
	write(keyFile, "PRIVATE KEY", keyDER)
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(write(certFile, "CERTIFICATE", der))
	return certFile, keyFile, roots
}
