// Package folder writes generated files into a folder that people work in. It replaces what it has written
// itself and nobody has changed since, and nothing else: a list of what it wrote, with checksums, stays in the folder.
package folder

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// List is the name of the list of what was written: a line for each file with its SHA-256, as sha256sum writes and
// checks them.
const List = "duotel.sha256"

// File is a generated file. Path is relative to the folder, with slashes.
type File struct {
	Path string
	Data []byte
}

// Result counts what Write did.
type Result struct{ Written, Unchanged, Removed int }

// ForeignError names the files that would have been overwritten or removed although they are not as Write left them.
type ForeignError struct {
	Dir   string
	Paths []string
}

// Error says what to do.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s: not as duotel wrote them: %s; nothing was written; move them away, or use -force to overwrite them",
		e.Dir, strings.Join(e.Paths, ", "))
}

// Write makes files the generated content of dir: it writes those that are new or have changed, and removes those of an
// earlier run that are not among them. Unless force is set, it refuses with a [ForeignError] to overwrite or remove a file that it did
// not write or that was changed since, and then does nothing at all. Files that are as they should be are not touched.
func Write(dir string, files []File, force bool) (Result, error) {
	known, err := readList(dir)
	if err != nil {
		return Result{}, err
	}
	var (
		result  Result
		foreign []string
		todo    []File
		gone    []string
		list    = map[string]string{}
	)
	for _, f := range files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || f.Path == List || list[f.Path] != "" {
			return Result{}, fmt.Errorf("generated path %q: outside the folder, or there twice", f.Path)
		}
		list[f.Path] = sum(f.Data)
		old, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Path)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			todo = append(todo, f)
		case err != nil:
			return Result{}, err
		case bytes.Equal(old, f.Data):
			result.Unchanged++
		default:
			todo = append(todo, f)
			if known[f.Path] != sum(old) {
				foreign = append(foreign, f.Path)
			}
		}
	}
	for path, was := range known {
		if list[path] != "" {
			continue
		}
		old, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return Result{}, err
		}
		gone = append(gone, path)
		if sum(old) != was {
			foreign = append(foreign, path)
		}
	}
	if len(foreign) > 0 && !force {
		slices.Sort(foreign)
		return Result{}, &ForeignError{Dir: dir, Paths: foreign}
	}
	for _, f := range todo {
		if err := write(dir, f); err != nil {
			return result, err
		}
		result.Written++
	}
	for _, path := range gone {
		if err := os.Remove(filepath.Join(dir, filepath.FromSlash(path))); err != nil {
			return result, err
		}
		result.Removed++
	}
	return result, writeList(dir, list)
}

// write replaces a file whole, so that whoever reads the folder meanwhile never sees half of one.
func write(dir string, f File) error {
	name := filepath.Join(dir, filepath.FromSlash(f.Path))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(name), ".duotel-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(f.Data)
	err = errors.Join(err, temp.Chmod(0o644), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

// readList reads the list of an earlier run: checksums by path. Without one nothing is known.
func readList(dir string) (map[string]string, error) {
	name := filepath.Join(dir, List)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	known := map[string]string{}
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		hash, path, ok := strings.Cut(line, "  ")
		if !ok || len(hash) != 2*sha256.Size || !filepath.IsLocal(filepath.FromSlash(path)) {
			return nil, fmt.Errorf("%s:%d: %q: not a line of this list; it has a SHA-256, two spaces and a path inside the folder", name, i+1, line)
		}
		known[path] = hash
	}
	return known, nil
}

func writeList(dir string, list map[string]string) error {
	lines := make([]string, 0, len(list))
	for path, hash := range list {
		lines = append(lines, hash+"  "+path+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[2*sha256.Size:], b[2*sha256.Size:]) })
	f := File{Path: List, Data: []byte(strings.Join(lines, ""))}
	if old, err := os.ReadFile(filepath.Join(dir, List)); err == nil && bytes.Equal(old, f.Data) {
		return nil
	}
	return write(dir, f)
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}
