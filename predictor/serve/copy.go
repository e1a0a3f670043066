package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/runcast/runcast/predictor"
)

// The local copy: the champion as it was served, and its description. The
// description has the artifact's checksum, so that halves of two copies do not pass.
const (
	copyArtifact = "champion.model"
	copyInfo     = "champion.json"
)

// save replaces the local copy.
func (l *Live) save(info predictor.ModelInfo, artifact []byte) error {
	if l.dir == "" {
		return nil
	}
	description, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("model %s: %w", info.Version, err)
	}
	if err := replaceFile(filepath.Join(l.dir, copyArtifact), artifact); err != nil {
		return err
	}
	return replaceFile(filepath.Join(l.dir, copyInfo), description)
}

// restore reads the local copy; nil if there is none.
func (l *Live) restore() (*follower, error) {
	if l.dir == "" {
		return nil, nil
	}
	description, err := os.ReadFile(filepath.Join(l.dir, copyInfo))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var info predictor.ModelInfo
	if err := json.Unmarshal(description, &info); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", copyInfo, predictor.ErrDamaged, err)
	}
	artifact, err := os.ReadFile(filepath.Join(l.dir, copyArtifact))
	if err != nil {
		return nil, err
	}
	return newFollower(info, artifact)
}

// replaceFile writes a file such that path always holds all of the old or all of
// the new content.
func replaceFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
