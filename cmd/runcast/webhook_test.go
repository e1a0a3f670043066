package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runcast/runcast/predictor/rpc"
)

// A webhook outlives its certificates: the files are read anew, and half-written ones
// do not stop it.
func TestCertificateIsReadAnew(t *testing.T) {
	certFile, keyFile := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	var log bytes.Buffer
	files := rpc.ServerTLS{CertFile: certFile, KeyFile: keyFile}
	if _, err := files.GetCertificate(nil); err == nil {
		t.Fatal("no error without files")
	}
	writeCertificate(t, certFile, keyFile, 1)
	c, err := files.GetCertificate(slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- serveOn(ctx, l, &http.Server{Handler: http.NotFoundHandler(), TLSConfig: &tls.Config{GetCertificate: c}})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	want := func(serial int64) {
		t.Helper()
		if got := servedSerial(t, address); got != serial {
			t.Errorf("certificate %d is served, want %d", got, serial)
		}
	}
	want(1)
	writeCertificate(t, certFile, keyFile, 2)
	want(2)
	if err := os.WriteFile(keyFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want(2)
	if !bytes.Contains(log.Bytes(), []byte("not usable")) {
		t.Error("an unusable key was not told of")
	}
	writeCertificate(t, certFile, keyFile, 3)
	want(3)
}

// What is being answered when the process is asked to end gets its answer: a Job whose
// webhook is cut off would start unqueued.
func TestRequestsUnderWayAreAnswered(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answered := false
	served := make(chan error, 1)
	go func() {
		err := serveOn(ctx, l, &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			cancel()
			time.Sleep(50 * time.Millisecond)
			answered = true
		})})
		if err == nil && !answered {
			err = errors.New("it has ended before it has answered")
		}
		served <- err
	}()
	answer, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// The webhook serves on when its process is asked to end: the API server may still come.
func TestWebhookOutlivesItsProcess(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writeCertificate(t, certFile, keyFile, 1)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	config := configFor(t, newAPI(t, nil), fmt.Sprintf("scheduler: {webhook: {listen: %q, cert_file: %q, key_file: %q}}\n", address, certFile, keyFile))
	p, err := newProcess(&globals{log: slog.New(slog.DiscardHandler)}, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.addScheduler(nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	go p.loops[1](ctx) //nolint:errcheck // it ends some seconds after this test
	for deadline := time.Now().Add(webhookOutlives); ; time.Sleep(time.Millisecond) {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestOutliving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		longer, end := outliving(ctx, 5*time.Second)
		defer end()
		time.Sleep(time.Hour)
		cancel()
		time.Sleep(5*time.Second - time.Nanosecond)
		if longer.Err() != nil {
			t.Error("it ended too soon")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if longer.Err() == nil {
			t.Error("it does not end")
		}
	})
}

func servedSerial(t *testing.T, address string) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func writeCertificate(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
