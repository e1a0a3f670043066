package rpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"

	"google.golang.org/grpc/credentials"
)

// ServerTLS names the files of a server, in PEM. They are read again for each
// connection; while they cannot be read, the last good ones serve.
type ServerTLS struct {
	// CertFile and KeyFile are the server's certificate chain and its key. Required.
	CertFile, KeyFile string
	// ClientCAFile, if set, lets in only clients with a certificate of these authorities.
	ClientCAFile string
}

func (t *ServerTLS) load() (*tls.Config, error) {
	cert, err := loadPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS13,
		// A resumed session would escape a changed client CA.
		SessionTicketsDisabled: true,
	}
	if t.ClientCAFile != "" {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		if config.ClientCAs, err = loadCAs(t.ClientCAFile); err != nil {
			return nil, err
		}
	}
	return config, nil
}

// ClientTLS names the files of a client, in PEM; read as ServerTLS's are. Its zero
// value trusts the system's authorities.
type ClientTLS struct {
	// CAFile holds the authorities to trust instead of the system's.
	CAFile string
	// CertFile and KeyFile are the client's own certificate, if the server asks for
	// one: both or neither.
	CertFile, KeyFile string
	// ServerName is the name that the server's certificate must bear; by default
	// the host of the target.
	ServerName string
}

func (t *ClientTLS) load() (*tls.Config, error) {
	config := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS13}
	if t.CAFile != "" {
		var err error
		if config.RootCAs, err = loadCAs(t.CAFile); err != nil {
			return nil, err
		}
	}
	if t.CertFile != "" || t.KeyFile != "" {
		cert, err := loadPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return config, nil
}

func loadPair(certFile, keyFile string) (tls.Certificate, error) {
	if certFile == "" || keyFile == "" {
		return tls.Certificate{}, fmt.Errorf("TLS certificate: expected a file of it and one of its key, got %q and %q", certFile, keyFile)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("TLS certificate: %w", err)
	}
	return cert, nil
}

func loadCAs(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("TLS authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("TLS authorities: %s holds no PEM certificate", file)
	}
	return pool, nil
}

// files are those of a TLS configuration, which are read for each handshake.
type files struct {
	load func() (*tls.Config, error)
	log  *slog.Logger

	mu   sync.Mutex // guards last
	last *tls.Config
}

func newFiles(load func() (*tls.Config, error), log *slog.Logger) (*files, error) {
	config, err := load()
	if err != nil {
		return nil, err
	}
	return &files{load: load, log: log, last: config}, nil
}

// current is the configuration as the files have it now.
func (f *files) current() *tls.Config {
	config, err := f.load()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.log.Warn("TLS files are not usable, the last good ones serve", "error", err)
	} else {
		f.last = config
	}
	return f.last
}

// GetCertificate is one for a tls.Config, of a server that is not gRPC's. Its errors are
// those of the files now; later on they are logged, and the last good ones serve.
func (t *ServerTLS) GetCertificate(log *slog.Logger) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	f, err := newFiles(t.load, log)
	if err != nil {
		return nil, err
	}
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &f.current().Certificates[0], nil }, nil
}

// fileCredentials are TLS credentials that read their files for each handshake.
type fileCredentials struct {
	*files
	refused func(from net.Addr, err error) // is told of a server's handshakes that fail
}

func (c *fileCredentials) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(c.current()).ClientHandshake(ctx, authority, conn)
}

func (c *fileCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secure, info, err := credentials.NewTLS(c.current()).ServerHandshake(conn)
	if err != nil && !errors.Is(err, io.EOF) { // who hangs up at once only looks whether somebody listens
		c.refused(conn.RemoteAddr(), err)
	}
	return secure, info, err
}

func (c *fileCredentials) Info() credentials.ProtocolInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	return credentials.NewTLS(c.last).Info()
}

// Clone returns the same credentials: no caller can change them.
func (c *fileCredentials) Clone() credentials.TransportCredentials { return c }

func (c *fileCredentials) OverrideServerName(string) error {
	return errors.New("the server name is set by the configuration")
}

// loopback reports whether address (host:port, or a gRPC target that ends in it)
// stays on this machine by its form; names other than localhost are not looked up.
func loopback(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	address = address[strings.LastIndexByte(address, '/')+1:]
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
