package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/runcast/runcast/predictor"
)

// Schema is the version of the artifact's format that Encode writes.
const Schema = 8

// magic starts every artifact.
const magic = "RUNCASTM"

// An artifact is a header, and the content that it vouches for:
//
//	magic    8 bytes "RUNCASTM"
//	schema   uint32, little-endian as all that follows
//	size     uint64, of the content in bytes
//	sha256   32 bytes, of the content
//	content  the model's fields as codec goes over them, then its history
//
// The same model gives the same bytes.
const headerSize = len(magic) + 4 + 8 + sha256.Size

// MaxArtifact is the largest content that Decode accepts, in bytes.
const MaxArtifact = 1 << 30

// Encode writes the model as an artifact.
func (m *Model) Encode(w io.Writer) error {
	var c codec
	if c.model(m); c.err != nil {
		return c.err
	}
	content, err := m.history.AppendBinary(c.b)
	if err != nil {
		return err
	}
	header := append(make([]byte, 0, headerSize), magic...)
	header = binary.LittleEndian.AppendUint32(header, Schema)
	header = binary.LittleEndian.AppendUint64(header, uint64(len(content)))
	sum := sha256.Sum256(content)
	if _, err := w.Write(append(header, sum[:]...)); err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}

// Decode reads an artifact to its end. What is not one, or was damaged on the way,
// is predictor.ErrDamaged; what a newer or an older Runcast wrote is
// predictor.ErrNewerSchema or predictor.ErrOlderSchema.
func Decode(r io.Reader) (*Model, error) {
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, fmt.Errorf("artifact: header: %w: %w", predictor.ErrDamaged, err)
	}
	if string(header[:len(magic)]) != magic {
		return nil, fmt.Errorf("artifact: not a model: %w", predictor.ErrDamaged)
	}
	rest := header[len(magic):]
	if schema := binary.LittleEndian.Uint32(rest); schema > Schema {
		return nil, fmt.Errorf("artifact: schema %d, at most %d is known: %w", schema, Schema, predictor.ErrNewerSchema)
	} else if schema < Schema {
		return nil, fmt.Errorf("artifact: schema %d, only %d is read: %w", schema, Schema, predictor.ErrOlderSchema)
	}
	size, sum := binary.LittleEndian.Uint64(rest[4:]), rest[12:]
	if size > MaxArtifact {
		return nil, fmt.Errorf("artifact: %d bytes: %w", size, predictor.ErrDamaged)
	}
	var content bytes.Buffer // grows with what comes, not with what the header claims
	if _, err := io.Copy(&content, io.LimitReader(r, int64(size)+1)); err != nil {
		return nil, fmt.Errorf("artifact: %w", err)
	}
	if got := sha256.Sum256(content.Bytes()); uint64(content.Len()) != size || !bytes.Equal(got[:], sum) {
		return nil, fmt.Errorf("artifact: %d bytes with checksum %x, expected %d with %x: %w",
			content.Len(), got[:4], size, sum[:4], predictor.ErrDamaged)
	}
	return decodeContent(content.Bytes())
}

func decodeContent(b []byte) (*Model, error) {
	m := New(0)
	c := codec{b: b, taking: true}
	if c.model(m); c.err != nil {
		return nil, fmt.Errorf("artifact: %w", c.err)
	}
	if err := m.history.UnmarshalBinary(c.b); err != nil {
		return nil, fmt.Errorf("artifact: %w", err)
	}
	return m, nil
}

// Fingerprint is the SHA-256 of an artifact's bytes, in hex, as ModelInfo carries it.
func Fingerprint(artifact []byte) string {
	sum := sha256.Sum256(artifact)
	return hex.EncodeToString(sum[:])
}
