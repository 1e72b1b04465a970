// Package gpus simulates the GPUs of one node: it advertises them as NVIDIA's DRA driver or its device plugin does, and
// nothing computes on them. Whatever it publishes says that it is simulated.
package gpus

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"time"
)

// pollInterval is how often the file of hidden GPUs and the kubelet's sockets are looked at.
const pollInterval = 200 * time.Millisecond

// Device is one simulated GPU.
type Device struct {
	// Name is the device's name in its pool, as NVIDIA's driver gives it: gpu-0.
	Name string
	// UUID is what workers and placements call it by.
	UUID string
	// MemoryMiB is the size of its memory.
	MemoryMiB int64
}

// Node is the GPUs of one node, and the file that takes some of them away.
type Node struct {
	Name    string
	Devices []Device
	// HiddenFile lists the UUIDs, one a line, of GPUs that are gone for now. It may be missing.
	HiddenFile string
}

// NewNode makes a node with count GPUs of memoryMiB each.
func NewNode(name string, count int, memoryMiB int64, hiddenFile string) Node {
	n := Node{Name: name, HiddenFile: hiddenFile}
	for i := range count {
		n.Devices = append(n.Devices, Device{
			Name: fmt.Sprintf("gpu-%d", i), UUID: fmt.Sprintf("GPU-%s-%d", name, i), MemoryMiB: memoryMiB,
		})
	}
	return n
}

// Hidden is the set of UUIDs that HiddenFile lists now.
func (n Node) Hidden() map[string]bool {
	hidden := map[string]bool{}
	b, err := os.ReadFile(n.HiddenFile)
	if err != nil {
		return hidden // no file, nothing hidden
	}
	for _, line := range bytes.Fields(b) {
		hidden[string(line)] = true
	}
	return hidden
}

// Visible lists the devices that are not hidden now.
func (n Node) Visible() []Device {
	var out []Device
	hidden := n.Hidden()
	for _, d := range n.Devices {
		if !hidden[d.UUID] {
			out = append(out, d)
		}
	}
	return out
}

// Main advertises a node's GPUs until it fails. Whoever starts it starts it again then.
func Main(args []string) error {
	fs := flag.NewFlagSet("fake-gpus", flag.ContinueOnError)
	mode := fs.String("mode", "dra", "dra or device-plugin: how pods ask for a GPU; a node never has both")
	name := fs.String("node", "", "name of the node")
	count := fs.Int("count", 1, "number of GPUs")
	memory := fs.Int64("memory-mib", 16303, "memory of each GPU in MiB")
	hidden := fs.String("hidden", "", "file that lists the UUIDs of GPUs to take away, one a line")
	kubeconfig := fs.String("kubeconfig", "", "kubeconfig for the API server (dra only)")
	if err := fs.Parse(args); err != nil {
		return err
	}
	node := NewNode(*name, *count, *memory, *hidden)
	switch *mode {
	case "dra":
		return runDRA(context.Background(), *kubeconfig, node)
	case "device-plugin":
		return runDevicePlugin(context.Background(), node)
	default:
		return fmt.Errorf("mode %q is unknown: use dra or device-plugin", *mode)
	}
}
