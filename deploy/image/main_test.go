package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

func TestAssemble(t *testing.T) {
	image, again := assembled(t), assembled(t)
	if a, b := digest(t, image), digest(t, again); a != b {
		t.Errorf("the same program gives the images %s and %s", a, b)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.OS != "linux" || config.Architecture != "arm64" || config.Config.User != "65532:65532" {
		t.Errorf("%s/%s as %s", config.OS, config.Architecture, config.Config.User)
	}
	files := contents(t, image)
	if entry := config.Config.Entrypoint; len(entry) != 1 || string(files[entry[0][1:]]) != "program" {
		t.Errorf("entrypoint %q is not the program", entry)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(files["etc/ssl/certs/ca-certificates.crt"]) {
		t.Error("no authorities")
	}
	for _, dir := range []string{"etc", "etc/ssl", "etc/ssl/certs", "usr", "usr/bin"} {
		if _, ok := files[dir]; !ok {
			t.Errorf("no folder %s", dir)
		}
	}
}

// An archive ends with two empty blocks; Go reads one without them, tar does not.
func TestArchiveIsWhole(t *testing.T) {
	b, err := archive([]file{{"a/b", 0o644, []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	if len(b)%512 != 0 || !bytes.HasSuffix(b, make([]byte, 1024)) {
		t.Errorf("%d bytes without an end", len(b))
	}
}

func TestBaseThatCannotBePulled(t *testing.T) {
	if _, err := assemble("127.0.0.1:1/none", "amd64", nil); err == nil {
		t.Error("no error")
	}
}

func assembled(t *testing.T) v1.Image {
	t.Helper()
	image, err := assemble("", "arm64", []byte("program"))
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func digest(t *testing.T, image v1.Image) string {
	t.Helper()
	d, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func contents(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	flat := mutate.Extract(image)
	defer flat.Close()
	files := map[string][]byte{}
	for r := tar.NewReader(flat); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		} else if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}
