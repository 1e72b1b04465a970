package image

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write writes an image of one file with this content under each given name.
func write(t *testing.T, name, content string) (string, []byte) {
	t.Helper()
	host := filepath.Join(t.TempDir(), "host")
	if err := os.WriteFile(host, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	ref, err := Image{Name: name, User: "1:1", Files: []string{host + "=/usr/bin/b", host + "=/usr/bin/a"}}.Write(&out)
	if err != nil {
		t.Fatal(err)
	}
	return ref, out.Bytes()
}

func TestTheSameContentIsTheSameArchiveAndAnotherIsAnotherTag(t *testing.T) {
	ref, first := write(t, "localhost/pike", "one")
	again, second := write(t, "localhost/pike", "one")
	if ref != again || !bytes.Equal(first, second) {
		t.Errorf("%s and %s: archives of the same content differ", ref, again)
	}
	if other, _ := write(t, "localhost/pike", "two"); other == ref {
		t.Errorf("another content has the same reference %s", ref)
	}
}

func TestAnArchiveTellsItsReference(t *testing.T) {
	for _, name := range []string{"localhost/pike:1", "localhost:5000/pike"} {
		ref, archive := write(t, name, "one")
		if !strings.HasPrefix(ref, name) {
			t.Errorf("reference %s does not start with %s", ref, name)
		}
		got, digest, err := Inspect(bytes.NewReader(archive))
		if err != nil || got != ref || !strings.HasPrefix(digest, "sha256:") {
			t.Errorf("inspect: %s %s %v, want %s", got, digest, err, ref)
		}
	}
}
