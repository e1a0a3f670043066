// Image writes a container image of cmd/runcast as a tarball, without a container engine: for docker load, podman
// load, ctr images import, and crane push.
//
// By default the image is the program, the authorities that Mozilla trusts and one unprivileged user, and nothing
// else; -base puts the program on another image, such as gcr.io/distroless/static-debian13:nonroot, which is pulled.
// The same source gives the same image, bit for bit.
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	source := flags.String("source", ".", "`folder` of the module")
	output := flags.String("o", "runcast-image.tar", "`file` to write")
	tag := flags.String("tag", "ghcr.io/runcast/runcast:dev", "`name` of the image in the tarball")
	base := flags.String("base", "", "`image` to build on; default: none")
	arch := flags.String("arch", "amd64", "`architecture`: amd64 or arm64")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ref, err := name.NewTag(*tag)
	if err != nil {
		return fmt.Errorf("-tag: %w", err)
	}
	program, err := build(ctx, *source, *arch)
	if err != nil {
		return err
	}
	image, err := assemble(*base, *arch, program)
	if err != nil {
		return err
	}
	if err := tarball.WriteToFile(*output, ref, image); err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%s@%s\n", *output, ref, digest)
	return nil
}

// build compiles cmd/runcast for Linux.
func build(ctx context.Context, source, arch string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "runcast-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "runcast")
	cmd := exec.CommandContext(ctx, "go", buildArgs(file)...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go build: %w", err)
	}
	return os.ReadFile(file)
}

// buildArgs are those of go; the Dockerfile has the same.
func buildArgs(file string) []string {
	return []string{"build", "-trimpath", "-ldflags=-s -w", "-o", file, "./cmd/runcast"}
}

// assemble puts the program on the base.
func assemble(base, arch string, program []byte) (v1.Image, error) {
	platform := &v1.Platform{OS: "linux", Architecture: arch}
	image := empty.Image
	var files []file
	if base != "" {
		var err error
		if image, err = crane.Pull(base, crane.WithPlatform(platform)); err != nil {
			return nil, fmt.Errorf("-base: %w", err)
		}
	} else {
		files = []file{
			{"etc/passwd", 0o644, []byte("nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
			{"etc/group", 0o644, []byte("nonroot:x:65532:\n")},
			{"etc/ssl/certs/ca-certificates.crt", 0o644, authorities()},
		}
	}
	files = append(files, file{"usr/bin/runcast", 0o755, program})
	content, err := archive(files)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err != nil {
		return nil, err
	}
	if image, err = mutate.AppendLayers(image, layer); err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = platform.OS, platform.Architecture
	config.Config.Entrypoint, config.Config.Cmd = []string{"/usr/bin/runcast"}, nil
	config.Config.User = "65532:65532"
	config.Config.Env = []string{"PATH=/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"}
	config.Config.Labels = map[string]string{
		"org.opencontainers.image.title":    "runcast",
		"org.opencontainers.image.source":   "https://github.com/runcast/runcast",
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
	return mutate.ConfigFile(image, config)
}

// authorities are the roots that Mozilla trusts for servers, but for those that it
// trusts under conditions: a PEM file cannot hold them to it.
func authorities() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
	}
	return b.Bytes()
}

// A file of the image. Paths are relative to its root.
type file struct {
	path    string
	mode    int64
	content []byte
}

// archive is a tar of the files and of the folders above them, owned by root, of no time.
func archive(files []file) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	made := map[string]bool{}
	for _, f := range files {
		for i, c := range f.path {
			if dir := f.path[:i]; c == '/' && !made[dir] {
				made[dir] = true
				if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}); err != nil {
					return nil, err
				}
			}
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
