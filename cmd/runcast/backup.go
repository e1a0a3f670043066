package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/runcast/runcast/collector/store"
)

func newBackup() *cobra.Command {
	var server remote
	cmd := &cobra.Command{
		Use:   "backup [--server ADDR] FILE",
		Short: "Copy the store of a running collector, history and models, to a file",
		Long: `Copy the store of a running collector, history and models, to a file, while the
collector goes on. The copy is one state of the whole, and is opened before it gets
its name; what had that name is kept as FILE.old. 'runcast restore' puts it back.`,
		GroupID: "people",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := isFile(args[0]); err != nil {
				return err
			}
			client, err := server.dial(cmd)
			if err != nil {
				return err
			}
			defer client.Close()
			part := args[0] + ".part"
			var local *fs.PathError
			if err := writeFile(part, func(w io.Writer) error { return client.BackUp(cmd.Context(), w) }); errors.As(err, &local) {
				return err
			} else if err != nil {
				return server.failed(err)
			}
			return settle(cmd, part, args[0])
		},
	}
	server.flags(cmd, "collector")
	return cmd
}

func newRestore() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "restore --store FILE BACKUP",
		Short: "Put a backup in the place of a store",
		Long: `Put a backup, or the one on stdin if it is called -, in the place of a store that no
process has open: end its collector first. The backup is opened before anything is
changed, and the store that was there is kept as FILE.old.`,
		GroupID: "people",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(isFile(path), isFile(args[0])); err != nil {
				return err
			}
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			if _, _, err := contents(cmd.Context(), path); errors.Is(err, store.ErrInUse) {
				return err // any other error is why one restores
			}
			part := path + ".part"
			if err := writeFile(part, func(w io.Writer) error {
				_, err := io.Copy(w, in)
				return err
			}); err != nil {
				return err
			}
			if err := succeed(cmd.Context(), part); err != nil {
				return errors.Join(fmt.Errorf("%s: %w", args[0], err), os.Remove(part))
			}
			return settle(cmd, part, path)
		},
	}
	cmd.Flags().StringVar(&path, "store", "runcast.bolt", "bbolt `file` to replace")
	return cmd
}

// isFile is an error for a directory: one in the place of a file would be moved away.
func isFile(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s: expected a file, it is a directory", path)
	}
	return nil
}

// writeFile writes a new file, which does not stay behind if it fails.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// settle gives part its name if it is a store, and tells what is in it.
func settle(cmd *cobra.Command, part, path string) error {
	records, models, err := contents(cmd.Context(), part)
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d records and %d models\n", path, records, models)
	return nil
}

// succeed prepares a store to take the place of another.
func succeed(ctx context.Context, path string) error {
	s, err := store.Open(path, store.Options{MustExist: true})
	if err != nil {
		return err
	}
	return errors.Join(s.Succeed(ctx), s.Close())
}

// contents counts what is in a store.
func contents(ctx context.Context, path string) (records, models int, err error) {
	s, err := store.Open(path, store.Options{MustExist: true})
	if err != nil {
		return 0, 0, err
	}
	defer s.Close()
	records, err = s.Len(ctx)
	if err != nil {
		return 0, 0, err
	}
	list, err := s.List(ctx)
	return records, len(list), err
}
