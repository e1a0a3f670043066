package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"go.etcd.io/bbolt"

	"github.com/runcast/runcast/predictor"
)

const (
	// maxArtifact is the largest artifact in bytes; bbolt itself takes 2 GiB.
	maxArtifact = 1 << 30
	// maxModels is how many models are kept, the newest; at four trainings a day, those
	// of five days.
	maxModels = 20
)

// Publish implements predictor.Models. Size and SHA256 of info are filled in if
// they are empty, and else must be those of the artifact: predictor.ErrDamaged.
// Other bytes under a version that is taken, an empty artifact and one of more
// than a gibibyte are a predictor.ValidationError. The newest twenty models and the
// one in service are kept.
func (s *Store) Publish(ctx context.Context, info predictor.ModelInfo, artifact io.Reader) error {
	body, err := io.ReadAll(io.LimitReader(artifact, maxArtifact+1))
	if err != nil {
		return s.named(fmt.Errorf("publish model %s: %w", info.Version, err))
	}
	if err := complete(&info, body); err != nil {
		return s.named(fmt.Errorf("publish model %.256q: %w", info.Version, err))
	}
	value, err := json.Marshal(info)
	if err != nil {
		return s.named(fmt.Errorf("publish model %s: %w", info.Version, err))
	}
	return s.update(ctx, func(tx *bbolt.Tx) (bool, error) {
		version := []byte(info.Version)
		if taken := tx.Bucket(bucketArtifacts).Get(version); taken != nil {
			if bytes.Equal(taken, body) {
				return false, nil
			}
			return false, fmt.Errorf("publish model %s: %w", info.Version, invalid("version", "one that is not taken by another artifact"))
		}
		return true, errors.Join(
			tx.Bucket(bucketModels).Put(version, value),
			tx.Bucket(bucketArtifacts).Put(version, body),
			tx.Bucket(bucketMeta).Put(keyChampion, version),
			dropOldModels(tx),
		)
	})
}

// dropOldModels removes all but the newest maxModels and the champion; none while one of
// them cannot be read, which must not keep a new one from coming into service.
func dropOldModels(tx *bbolt.Tx) error {
	infos, err := listModels(tx)
	switch {
	case errors.Is(err, predictor.ErrDamaged):
		return nil
	case err != nil:
		return err
	}
	for _, info := range infos[min(maxModels, len(infos)):] {
		if info.Champion {
			continue
		}
		version := []byte(info.Version)
		if err := errors.Join(tx.Bucket(bucketModels).Delete(version), tx.Bucket(bucketArtifacts).Delete(version)); err != nil {
			return err
		}
	}
	return nil
}

// complete checks a model before it is stored, and fills in what follows from its bytes.
func complete(info *predictor.ModelInfo, body []byte) error {
	switch {
	case info.Version == "" || len(info.Version) > 256 || !utf8.ValidString(info.Version):
		return invalid("version", "valid UTF-8 of 1 to 256 bytes")
	case len(body) == 0 || len(body) > maxArtifact:
		return invalid("artifact", "1 byte to 1 GiB")
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	info.SHA256, info.Size = cmp.Or(info.SHA256, hash), cmp.Or(info.Size, int64(len(body)))
	if info.SHA256 != hash || info.Size != int64(len(body)) {
		return fmt.Errorf("%w: expected %d bytes with SHA-256 %s, got %d with %s", predictor.ErrDamaged, info.Size, info.SHA256, len(body), hash)
	}
	info.Champion = false // that is not a property of the model
	return nil
}

func invalid(field, expected string) error {
	return &predictor.ValidationError{Violations: []predictor.Violation{{Field: field, Expected: expected}}}
}

// Champion implements predictor.Models.
func (s *Store) Champion(ctx context.Context) (info predictor.ModelInfo, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		version := tx.Bucket(bucketMeta).Get(keyChampion)
		if version == nil {
			return predictor.ErrNoModel
		}
		info, err = model(tx, version)
		return err
	})
	return info, err
}

// Artifact implements predictor.Models.
func (s *Store) Artifact(ctx context.Context, version string) (body []byte, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		info, err := model(tx, []byte(version))
		if err != nil {
			return err
		}
		body = bytes.Clone(tx.Bucket(bucketArtifacts).Get([]byte(version)))
		if err := complete(&info, body); err != nil {
			return fmt.Errorf("model %s: %w: %w", version, predictor.ErrDamaged, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return body, nil
}

// List implements predictor.Models.
func (s *Store) List(ctx context.Context) (infos []predictor.ModelInfo, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		infos, err = listModels(tx)
		return err
	})
	return infos, err
}

// Promote implements predictor.Models.
func (s *Store) Promote(ctx context.Context, version string) error {
	return s.update(ctx, func(tx *bbolt.Tx) (bool, error) {
		if _, err := model(tx, []byte(version)); err != nil {
			return false, err
		}
		meta := tx.Bucket(bucketMeta)
		if string(meta.Get(keyChampion)) == version {
			return false, nil
		}
		return true, meta.Put(keyChampion, []byte(version))
	})
}

// Watch implements predictor.Models. Of changes that follow each other faster
// than the consumer takes them, the last is yielded. The error of ctx comes last.
func (s *Store) Watch(ctx context.Context) iter.Seq2[predictor.ModelInfo, error] {
	return func(yield func(predictor.ModelInfo, error) bool) {
		for last := ""; ; {
			changed := s.wake()
			info, err := s.Champion(ctx)
			switch {
			case errors.Is(err, predictor.ErrNoModel):
			case err != nil:
				yield(predictor.ModelInfo{}, err)
				return
			case info.Version != last:
				if last = info.Version; !yield(info, nil) {
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// model reads what is known of one version.
func model(tx *bbolt.Tx, version []byte) (info predictor.ModelInfo, err error) {
	value := tx.Bucket(bucketModels).Get(version)
	if value == nil {
		return info, fmt.Errorf("model %.256q: %w", version, predictor.ErrNotFound)
	}
	if err := json.Unmarshal(value, &info); err != nil {
		return info, fmt.Errorf("model %.256q: %w: %w", version, predictor.ErrDamaged, err)
	}
	info.Champion = bytes.Equal(tx.Bucket(bucketMeta).Get(keyChampion), version)
	return info, nil
}

// listModels reads all versions, newest first.
func listModels(tx *bbolt.Tx) ([]predictor.ModelInfo, error) {
	var infos []predictor.ModelInfo
	err := tx.Bucket(bucketModels).ForEach(func(version, _ []byte) error {
		info, err := model(tx, version)
		infos = append(infos, info)
		return err
	})
	slices.SortFunc(infos, func(a, b predictor.ModelInfo) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.Version, a.Version))
	})
	return infos, err
}
