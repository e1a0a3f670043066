package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// Schema is the version of the artifact's format that Encode writes.
const Schema = 1

// magic starts every artifact.
const magic = "RUNCASTM"

// An artifact is a header, the SHA-256 of the content, and the content:
//
//	magic    8 bytes "RUNCASTM"
//	schema   uint32, little-endian as all that follows
//	size     uint64, of the content in bytes
//	sha256   32 bytes, of the content
//	content  seed, records, from, to, calibration, history
//
// The same model gives the same bytes.
const headerSize = len(magic) + 4 + 8 + sha256.Size

// MaxArtifact is the largest content that Decode accepts, in bytes.
const MaxArtifact = 1 << 30

// Encode writes the model as an artifact.
func (m *Model) Encode(w io.Writer) error {
	content := binary.LittleEndian.AppendUint64(nil, m.seed)
	content = binary.LittleEndian.AppendUint64(content, uint64(m.records))
	for _, t := range []time.Time{m.from, m.to} {
		content = binary.LittleEndian.AppendUint64(content, uint64(t.Unix()))
		content = binary.LittleEndian.AppendUint64(content, uint64(t.Nanosecond()))
	}
	for _, t := range []*target{&m.runtime, &m.memory} {
		for _, level := range t.calibration.levels {
			content = binary.LittleEndian.AppendUint64(content, math.Float64bits(level))
		}
	}
	content, err := m.history.AppendBinary(content)
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

// Decode reads an artifact to its end. What is not one, or was damaged on the way, is
// predictor.ErrDamaged; what a newer Runcast wrote is predictor.ErrNewerSchema.
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
	} else if schema == 0 {
		return nil, fmt.Errorf("artifact: schema 0: %w", predictor.ErrDamaged)
	}
	size := binary.LittleEndian.Uint64(rest[4:])
	if size > MaxArtifact {
		return nil, fmt.Errorf("artifact: %d bytes: %w", size, predictor.ErrDamaged)
	}
	var content bytes.Buffer // grows with what comes, not with what the header claims
	if _, err := io.Copy(&content, io.LimitReader(r, int64(size)+1)); err != nil {
		return nil, fmt.Errorf("artifact: %w", err)
	}
	if sum := sha256.Sum256(content.Bytes()); uint64(content.Len()) != size || !bytes.Equal(sum[:], rest[12:]) {
		return nil, fmt.Errorf("artifact: %d bytes with checksum %x, expected %d with %x: %w",
			content.Len(), sum[:4], size, rest[12:16], predictor.ErrDamaged)
	}
	return decodeContent(content.Bytes())
}

// fixedSize is that of the content before the history.
const fixedSize = 8 * (2 + 4 + 2*len(predictor.Levels))

func decodeContent(b []byte) (*Model, error) {
	if len(b) < fixedSize {
		return nil, fmt.Errorf("artifact: content of %d bytes: %w", len(b), predictor.ErrDamaged)
	}
	next := func() uint64 {
		x := binary.LittleEndian.Uint64(b)
		b = b[8:]
		return x
	}
	m := New(next())
	m.records = int(next())
	for _, t := range []*time.Time{&m.from, &m.to} {
		seconds := int64(next())
		*t = time.Unix(seconds, int64(next()%1e9)).UTC()
	}
	for _, t := range []*target{&m.runtime, &m.memory} {
		for i := range t.calibration.levels {
			level := math.Float64frombits(next())
			if !(level > 0 && level < 1) {
				return nil, fmt.Errorf("artifact: calibrated level %g: %w", level, predictor.ErrDamaged)
			}
			t.calibration.levels[i] = level
		}
	}
	m.history = features.NewState()
	if err := m.history.UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("artifact: %w", err)
	}
	return m, nil
}

// WriteFile stores an artifact such that path always holds a whole one, whenever
// the process or the machine stops: written beside it, synced, renamed, and the
// directory synced.
func (m *Model) WriteFile(path string) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := m.Encode(f); err != nil {
		f.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// ReadFile reads the artifact at path; see Decode.
func ReadFile(path string) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Fingerprint is the SHA-256 of an artifact's bytes, in hex, as ModelInfo carries it.
func Fingerprint(artifact []byte) string {
	sum := sha256.Sum256(artifact)
	return hex.EncodeToString(sum[:])
}
