package gpus

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAHiddenGPUIsNotPublishedUntilItIsShownAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hidden")
	node := NewNode("perch", 2, 16303, file)
	published := func() int { return len(resources("perch", node.Visible()).Pools["perch"].Slices[0].Devices) }
	if got := published(); got != 2 {
		t.Fatalf("published %d devices without a file, want 2", got)
	}
	if err := os.WriteFile(file, []byte("GPU-perch-0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := node.Visible(); len(got) != 1 || got[0].Name != "gpu-1" {
		t.Fatalf("visible %v, want gpu-1 alone under its own name", got)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := published(); got != 2 {
		t.Fatalf("published %d devices after all were shown, want 2", got)
	}
}

func TestEveryPublishedDeviceSaysThatItIsSimulated(t *testing.T) {
	node := NewNode("perch", 3, 16303, "")
	for _, d := range resources("perch", node.Visible()).Pools["perch"].Slices[0].Devices {
		if mark := d.Attributes[simulatedAttribute].BoolValue; mark == nil || !*mark {
			t.Errorf("%s has no true attribute %s", d.Name, simulatedAttribute)
		}
	}
}
