package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
)

// A certificate is read from its files anew for each handshake; while they cannot be
// read, the last good one serves.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu   sync.Mutex // guards last
	last *tls.Certificate
}

func newCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("TLS certificate: %w", err)
	}
	c.last = &pair
	return c, nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.log.Warn("TLS files are not usable, the last good ones serve", "error", err)
	} else {
		c.last = &pair
	}
	return c.last, nil
}
