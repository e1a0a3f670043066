package rpc

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/runcast/runcast/predictor"
)

// A chunkReader reads the chunks of a stream as one.
type chunkReader struct {
	recv func() ([]byte, error)
	rest []byte
}

func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		var err error
		if r.rest, err = r.recv(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// A verifier ends with predictor.ErrDamaged instead of io.EOF if what was read does
// not have the size and the checksum that were announced, as far as they were.
type verifier struct {
	source io.Reader
	info   *predictor.ModelInfo
	size   int64
	sum    hash.Hash
}

func newVerifier(source io.Reader, info *predictor.ModelInfo) *verifier {
	return &verifier{source: source, info: info, sum: sha256.New()}
}

func (r *verifier) Read(p []byte) (int, error) {
	n, err := r.source.Read(p)
	r.size += int64(n)
	r.sum.Write(p[:n])
	announced := r.info.Size
	if announced > 0 && r.size > announced {
		return n, fmt.Errorf("%w: more than the announced %d bytes", predictor.ErrDamaged, announced)
	}
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if announced > 0 && r.size < announced {
		return n, fmt.Errorf("%w: %d of the announced %d bytes", predictor.ErrDamaged, r.size, announced)
	}
	if sum := hex.EncodeToString(r.sum.Sum(nil)); r.info.SHA256 != "" && !strings.EqualFold(sum, r.info.SHA256) {
		return n, fmt.Errorf("%w: checksum %s, announced %s", predictor.ErrDamaged, sum, r.info.SHA256)
	}
	return n, io.EOF
}
