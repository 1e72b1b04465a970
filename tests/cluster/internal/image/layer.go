package image

import (
	"archive/tar"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// describeLayer finds a layer's digest and size by writing it to nowhere.
func describeLayer(files []string) (descriptor, error) {
	hash, size := sha256.New(), new(counter)
	if err := writeLayer(io.MultiWriter(hash, size), files); err != nil {
		return descriptor{}, err
	}
	return descriptor{MediaType: mediaTypes + "layer.v1.tar", Digest: fmt.Sprintf("sha256:%x", hash.Sum(nil)), Size: int64(*size)}, nil
}

// writeLayer writes files, HOST_FILE=/path/in/image each, with their folders and a /tmp that everyone may write to.
// Owner is root, times are zero, order is that of the paths: nothing but the content shows in the bytes.
func writeLayer(w io.Writer, files []string) error {
	out := tar.NewWriter(w)
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return err
	}
	type entry struct{ in, host string }
	var entries []entry
	for _, arg := range files {
		host, in, ok := strings.Cut(arg, "=")
		if !ok || !path.IsAbs(in) {
			return fmt.Errorf("%q is not HOST_FILE=/path/in/image", arg)
		}
		entries = append(entries, entry{in: strings.TrimPrefix(path.Clean(in), "/"), host: host})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.in, b.in) })
	seen := map[string]bool{".": true, "tmp": true}
	for _, e := range entries {
		if err := writeParents(out, path.Dir(e.in), seen); err != nil {
			return err
		}
		if err := writeFile(out, e.in, e.host); err != nil {
			return fmt.Errorf("%s: %w", e.host, err)
		}
	}
	return out.Close()
}

func writeParents(out *tar.Writer, dir string, seen map[string]bool) error {
	if seen[dir] {
		return nil
	}
	if err := writeParents(out, path.Dir(dir), seen); err != nil {
		return err
	}
	seen[dir] = true
	return out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755})
}

func writeFile(out *tar.Writer, name, host string) error {
	f, err := os.Open(host)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: int64(info.Mode().Perm()), Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(out, f)
	return err
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
