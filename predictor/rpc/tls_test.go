package rpc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/runcast/runcast/predictor"
)

// An authority issues certificates into files.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), name+".pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	a.key = newKey(t)
	der := certificate(t, template, template, a.key, a.key)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// issue writes a certificate for localhost under the name, and returns its files.
func (a *authority) issue(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	return a.issueUntil(t, dir, name, time.Now().Add(time.Hour))
}

func (a *authority) issueUntil(t *testing.T, dir, name string, end time.Time) (certFile, keyFile string) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writePEM(t, certFile, "CERTIFICATE", certificate(t, template, a.cert, key, a.key))
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, keyFile, "PRIVATE KEY", der)
	return certFile, keyFile
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certificate(t *testing.T, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// estimate makes one call, once, with a client of its own.
func (l *link) estimate(t *testing.T, config ClientConfig) error {
	t.Helper()
	config.Target, config.Timeout = "passthrough:///localhost", time.Minute
	client := l.dial(t, config, grpc.WithDisableRetry())
	defer func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, err := client.Estimator().Estimate(t.Context(), []predictor.JobSpec{{}})
	return err
}

func TestTLS(t *testing.T) {
	ca, otherCA := newAuthority(t, "ca"), newAuthority(t, "other")
	serverCert, serverKey := ca.issue(t, t.TempDir(), "server")
	clientCert, clientKey := ca.issue(t, t.TempDir(), "client")
	otherCert, otherKey := otherCA.issue(t, t.TempDir(), "other")

	expiredCert, expiredKey := ca.issueUntil(t, t.TempDir(), "yesterday", time.Now().Add(-time.Minute))

	server := &ServerTLS{CertFile: serverCert, KeyFile: serverKey}
	mutual := &ServerTLS{CertFile: serverCert, KeyFile: serverKey, ClientCAFile: ca.file}
	expired := &ServerTLS{CertFile: expiredCert, KeyFile: expiredKey}
	anonymous := &ClientTLS{CAFile: ca.file}
	for name, tt := range map[string]struct {
		server *ServerTLS
		client *ClientTLS
		want   codes.Code
	}{
		"trusted server":               {server, anonymous, codes.OK},
		"trusted server, named client": {server, &ClientTLS{CAFile: ca.file, CertFile: clientCert, KeyFile: clientKey}, codes.OK},
		"trusted both":                 {mutual, &ClientTLS{CAFile: ca.file, CertFile: clientCert, KeyFile: clientKey}, codes.OK},
		"explicit name":                {server, &ClientTLS{CAFile: ca.file, ServerName: "localhost"}, codes.OK},
		"wrong name":                   {server, &ClientTLS{CAFile: ca.file, ServerName: "runcast.example"}, codes.Unavailable},
		"wrong CA":                     {server, &ClientTLS{CAFile: otherCA.file}, codes.Unavailable},
		"server of yesterday":          {expired, anonymous, codes.Unavailable},
		"system's CAs":                 {server, &ClientTLS{}, codes.Unavailable},
		"client without TLS":           {server, nil, codes.Unavailable},
		"server without TLS":           {nil, anonymous, codes.Unavailable},
		"client without certificate":   {mutual, anonymous, codes.Unavailable},
		"client of yesterday":          {mutual, &ClientTLS{CAFile: ca.file, CertFile: expiredCert, KeyFile: expiredKey}, codes.Unavailable},
		"client of another CA":         {mutual, &ClientTLS{CAFile: ca.file, CertFile: otherCert, KeyFile: otherKey}, codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLink(t, withOracle(&oracle{}), func(c *linkConfig) { c.server.TLS = tt.server })
			if err := l.estimate(t, ClientConfig{TLS: tt.client}); status.Code(err) != tt.want {
				t.Errorf("error %v, want code %v", err, tt.want)
			}
			// Whatever was refused, the server stays up.
			good := ClientConfig{TLS: &ClientTLS{CAFile: ca.file, CertFile: clientCert, KeyFile: clientKey}}
			switch tt.server {
			case nil:
				good.TLS = nil
			case expired: // it has got a certificate again
				*tt.server = *server
			}
			if err := l.estimate(t, good); err != nil {
				t.Errorf("the server is down: %v", err)
			}
			if tt.server != nil && tt.want != codes.OK {
				if err := l.stop(); err != nil { // once it has, every handshake is over
					t.Errorf("serve: %v", err)
				}
				if testutil.ToFloat64(l.server.metrics.handshakes) == 0 {
					t.Error("no failed handshake is counted")
				}
				if !strings.Contains(l.log.String(), "TLS handshake failed") {
					t.Errorf("the failed handshake is not logged:\n%s", l.log)
				}
			}
		})
	}
}

// Renewed files are used by the next connection, broken ones are not.
func TestCertificatesAreReloaded(t *testing.T) {
	old, renewed := newAuthority(t, "old"), newAuthority(t, "renewed")
	dir := t.TempDir()
	certFile, keyFile := old.issue(t, dir, "server")
	l := newLink(t, withOracle(&oracle{}), func(c *linkConfig) { c.server.TLS = &ServerTLS{CertFile: certFile, KeyFile: keyFile} })
	check := func(step string, ca *authority, want codes.Code) {
		t.Helper()
		if err := l.estimate(t, ClientConfig{TLS: &ClientTLS{CAFile: ca.file}}); status.Code(err) != want {
			t.Errorf("%s: %v, want code %v", step, err, want)
		}
	}
	check("at first", old, codes.OK)

	if err := os.WriteFile(certFile, []byte("half a certifi"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("while the file is broken", old, codes.OK)
	if !strings.Contains(l.log.String(), "last good ones") {
		t.Errorf("the log does not tell of the broken file:\n%s", l.log)
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	check("while a file is missing", old, codes.OK)

	renewed.issue(t, dir, "server")
	check("renewed", renewed, codes.OK)
	check("renewed, old client", old, codes.Unavailable)
}

// A client, too, reads its files for each connection.
func TestClientCertificatesAreReloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which retries take no time
		ca, otherCA := newAuthority(t, "ca"), newAuthority(t, "other")
		serverCert, serverKey := ca.issue(t, t.TempDir(), "server")
		dir := t.TempDir()
		certFile, keyFile := otherCA.issue(t, dir, "client")
		l := newLink(t, withOracle(&oracle{}), func(c *linkConfig) {
			c.server.TLS = &ServerTLS{CertFile: serverCert, KeyFile: serverKey, ClientCAFile: ca.file}
			c.client.TLS = &ClientTLS{CAFile: ca.file, CertFile: certFile, KeyFile: keyFile}
		})
		if _, err := l.Estimator().Estimate(t.Context(), someJobs(1)); status.Code(err) != codes.Unavailable {
			t.Errorf("with a foreign certificate: %v", err)
		}
		ca.issue(t, dir, "client")
		l.conn.ResetConnectBackoff()
		l.mustEstimate(t)
	})
}

func TestDialRefuses(t *testing.T) {
	ca := newAuthority(t, "ca")
	certFile, keyFile := ca.issue(t, t.TempDir(), "client")
	noPEM := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(noPEM, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		config ClientConfig
		want   string
	}{
		"nothing":             {ClientConfig{}, "target is not set"},
		"another machine":     {ClientConfig{Target: "collector:7000"}, "insecure: true"},
		"another, by DNS":     {ClientConfig{Target: "dns:///collector.runcast:7000"}, "insecure: true"},
		"negative timeout":    {ClientConfig{Target: "localhost:7000", Timeout: -1}, "negative"},
		"no CA file":          {ClientConfig{Target: "x:1", TLS: &ClientTLS{CAFile: "none.pem"}}, "none.pem"},
		"no CA in the file":   {ClientConfig{Target: "x:1", TLS: &ClientTLS{CAFile: noPEM}}, "no PEM certificate"},
		"certificate, no key": {ClientConfig{Target: "x:1", TLS: &ClientTLS{CertFile: certFile}}, "expected a file of it and one of its key"},
		"key, no certificate": {ClientConfig{Target: "x:1", TLS: &ClientTLS{KeyFile: keyFile}}, "expected a file of it and one of its key"},
		"token in the clear":  {ClientConfig{Target: "collector:7000", Insecure: true, TokenFile: certFile}, "in the clear"},
		"no token":            {ClientConfig{Target: "localhost:7000", TokenFile: "none.token"}, "none.token"},
		"bad target":          {ClientConfig{Target: "dns://localhost:x:y/\x00", Insecure: true}, "gRPC client"},
	} {
		if c, err := Dial(tt.config, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, error %v, want one with %q", name, c, err, tt.want)
		}
	}
	for _, config := range []ClientConfig{
		{Target: "localhost:7000"}, {Target: "dns:///127.0.0.1:7000"}, {Target: "[::1]:7000"}, {Target: "unix:/run/runcast.sock"},
		{Target: "collector:7000", Insecure: true}, {Target: "collector:7000", TLS: &ClientTLS{CAFile: ca.file}},
	} {
		c, err := Dial(config, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Errorf("%s: %v", config.Target, err)
			continue
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
