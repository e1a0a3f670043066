package store

import "errors"

// Sentinels; test with errors.Is. Damage to the file is predictor.ErrDamaged, a
// file of a newer Runcast predictor.ErrNewerSchema.
var (
	// ErrInUse is returned by Open if another process holds the file.
	ErrInUse = errors.New("in use by another process")
	// ErrForeign is returned by Open for a file that this package has not made.
	ErrForeign = errors.New("not a runcast store")
	// ErrClosed is returned by every method after Close.
	ErrClosed = errors.New("closed")
)
