// Package image writes one-layer OCI archives that `ctr images import` takes, without a container engine.
package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"sort"
	"strings"
)

const (
	mediaTypes     = "application/vnd.oci.image."
	nameAnnotation = "io.containerd.image.name"
	// tagLength is how much of a manifest's digest becomes the tag of an image that is given none.
	tagLength = 12
)

// Image says what to write.
type Image struct {
	// Name is the reference, as localhost/name:tag. Without a tag it gets one from its content, so that another content
	// is another reference and no node runs an old one.
	Name string
	// User is the uid:gid that containers run as.
	User string
	// Entrypoint is the program that containers start. Empty: the image carries files only.
	Entrypoint string
	// Files are HOST_FILE=/path/in/image each.
	Files []string
}

type object = map[string]any

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	Manifests     []descriptor `json:"manifests"`
}

// Write writes the archive and returns the image's full reference. The same content gives the same bytes.
func (i Image) Write(w io.Writer) (string, error) {
	layer, err := describeLayer(i.Files)
	if err != nil {
		return "", err
	}
	config := object{"User": i.User, "Env": []string{"PATH=/usr/local/bin:/usr/bin:/bin:/"}}
	if i.Entrypoint != "" {
		config["Entrypoint"] = []string{i.Entrypoint}
	}
	blobs := map[string][]byte{}
	store := func(v any, mediaType string) descriptor {
		b, _ := json.Marshal(v)
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(b))
		blobs[digest] = b
		return descriptor{MediaType: mediaTypes + mediaType, Digest: digest, Size: int64(len(b))}
	}
	conf := store(object{"architecture": runtime.GOARCH, "os": "linux", "config": config,
		"rootfs": object{"type": "layers", "diff_ids": []string{layer.Digest}}}, "config.v1+json")
	manifest := store(object{"schemaVersion": 2, "mediaType": mediaTypes + "manifest.v1+json", "config": conf,
		"layers": []descriptor{layer}}, "manifest.v1+json")
	name := i.Name
	if !strings.Contains(name[strings.LastIndex(name, "/")+1:], ":") {
		name += ":" + strings.TrimPrefix(manifest.Digest, "sha256:")[:tagLength]
	}
	manifest.Annotations = map[string]string{nameAnnotation: name}
	top, err := json.Marshal(index{SchemaVersion: 2, Manifests: []descriptor{manifest}})
	if err != nil {
		return "", err
	}

	out := tar.NewWriter(w)
	var errs []error
	put := func(name string, b []byte) {
		err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(b))})
		if err == nil {
			_, err = out.Write(b)
		}
		errs = append(errs, err)
	}
	put("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	put("index.json", top)
	for _, digest := range sortedKeys(blobs) {
		put(blobPath(digest), blobs[digest])
	}
	errs = append(errs, out.WriteHeader(&tar.Header{Name: blobPath(layer.Digest), Mode: 0o644, Size: layer.Size}))
	errs = append(errs, writeLayer(out, i.Files), out.Close())
	return name, errors.Join(errs...)
}

func blobPath(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

func sortedKeys(m map[string][]byte) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// Inspect reads the reference and the manifest's digest of an archive.
func Inspect(r io.Reader) (name, digest string, err error) {
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return "", "", errors.New("no index.json: this is no OCI archive")
		}
		if err != nil {
			return "", "", err
		}
		if header.Name != "index.json" {
			continue
		}
		var top index
		if err := json.NewDecoder(archive).Decode(&top); err != nil {
			return "", "", err
		}
		if len(top.Manifests) != 1 || top.Manifests[0].Annotations[nameAnnotation] == "" {
			return "", "", errors.New("index.json does not name one image")
		}
		return top.Manifests[0].Annotations[nameAnnotation], top.Manifests[0].Digest, nil
	}
}

// Main writes an archive and prints its reference, or prints the reference and digest of one that is there.
func Main(args []string) error {
	fs := flag.NewFlagSet("image", flag.ContinueOnError)
	out := fs.String("o", "", "archive to write")
	inspect := fs.String("inspect", "", "archive whose reference and digest to print, instead of writing one")
	name := fs.String("t", "", "reference; without a tag it gets one from the content")
	user := fs.String("user", "65532:65532", "uid:gid that containers run as")
	entrypoint := fs.String("entrypoint", "", "program that containers start")
	fs.Usage = func() {
		fmt.Fprintln(fs.Output(), "usage: image -o FILE.tar -t localhost/NAME[:TAG] HOST_FILE=/path/in/image ... | image -inspect FILE.tar")
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *inspect != "" {
		f, err := os.Open(*inspect)
		if err != nil {
			return err
		}
		defer f.Close()
		name, digest, err := Inspect(f)
		if err != nil {
			return fmt.Errorf("%s: %w", *inspect, err)
		}
		fmt.Println(name, digest)
		return nil
	}
	if *out == "" || *name == "" {
		fs.Usage()
		return errors.New("-o and -t are needed")
	}
	f, err := os.Create(*out)
	if err != nil {
		return err
	}
	ref, err := Image{Name: *name, User: *user, Entrypoint: *entrypoint, Files: fs.Args()}.Write(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Println(ref)
	return nil
}
