package gpus

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/dynamic-resource-allocation/kubeletplugin"
	"k8s.io/dynamic-resource-allocation/resourceslice"
)

const (
	driverName = "gpu.nvidia.com"
	cdiKind    = "nvidia.com/gpu"
	cdiFolder  = "/run/cdi"
	// simulatedAttribute marks a device of a ResourceSlice as simulated; it is not in the driver's own domain.
	simulatedAttribute = "cherokee.ai/simulated"
)

// runDRA registers a DRA driver with the kubelet and keeps the node's ResourceSlice equal to what is visible.
func runDRA(ctx context.Context, kubeconfig string, node Node) error {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	if err := writeCDI(node.Devices); err != nil {
		return fmt.Errorf("write the CDI specification: %w", err)
	}
	dir := filepath.Join("/var/lib/kubelet/plugins", driverName)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	helper, err := kubeletplugin.Start(ctx, draDriver{}, kubeletplugin.DriverName(driverName),
		kubeletplugin.KubeClient(client), kubeletplugin.NodeName(node.Name), kubeletplugin.PluginDataDirectoryPath(dir))
	if err != nil {
		return err
	}
	for published := ""; ; time.Sleep(pollInterval) {
		visible := node.Visible()
		if now := fmt.Sprint(visible); now != published {
			if err := helper.PublishResources(ctx, resources(node.Name, visible)); err != nil {
				return err
			}
			published = now
		}
	}
}

// resources describes devices with the attributes that NVIDIA's driver publishes, and that they are simulated.
func resources(node string, devices []Device) resourceslice.DriverResources {
	text := func(s string) resourceapi.DeviceAttribute { return resourceapi.DeviceAttribute{StringValue: &s} }
	version := func(s string) resourceapi.DeviceAttribute { return resourceapi.DeviceAttribute{VersionValue: &s} }
	yes := true
	var slice resourceslice.Slice
	for _, d := range devices {
		slice.Devices = append(slice.Devices, resourceapi.Device{
			Name: d.Name,
			Attributes: map[resourceapi.QualifiedName]resourceapi.DeviceAttribute{
				"type": text("gpu"), "uuid": text(d.UUID), "productName": text("NVIDIA GeForce RTX 5070"),
				"brand": text("GeForce"), "architecture": text("Blackwell"), "cudaComputeCapability": version("12.0.0"),
				simulatedAttribute: {BoolValue: &yes},
			},
			Capacity: map[resourceapi.QualifiedName]resourceapi.DeviceCapacity{
				"memory": {Value: *resource.NewQuantity(d.MemoryMiB<<20, resource.BinarySI)},
			},
		})
	}
	return resourceslice.DriverResources{Pools: map[string]resourceslice.Pool{
		node: {Slices: []resourceslice.Slice{slice}},
	}}
}

// writeCDI writes the CDI specification that maps a device's name to the variables a container sees.
func writeCDI(devices []Device) error {
	type edits struct {
		Env []string `json:"env"`
	}
	type device struct {
		Name  string `json:"name"`
		Edits edits  `json:"containerEdits"`
	}
	spec := struct {
		Version string   `json:"cdiVersion"`
		Kind    string   `json:"kind"`
		Devices []device `json:"devices"`
	}{Version: "0.6.0", Kind: cdiKind}
	for _, d := range devices {
		spec.Devices = append(spec.Devices, device{Name: d.Name, Edits: edits{Env: environment(d.UUID)}})
	}
	b, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cdiFolder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(cdiFolder, "fake-gpu.json"), b, 0o644)
}

// environment is what a container with these GPUs sees, in both modes.
func environment(uuids string) []string {
	return []string{"NVIDIA_VISIBLE_DEVICES=" + uuids, "CHEROKEE_SIMULATED_GPUS=true"}
}

// draDriver prepares claims: a CDI name for each device is all that there is to do.
type draDriver struct{}

func (draDriver) PrepareResourceClaims(_ context.Context, claims []*resourceapi.ResourceClaim) (map[types.UID]kubeletplugin.PrepareResult, error) {
	out := map[types.UID]kubeletplugin.PrepareResult{}
	for _, c := range claims {
		var res kubeletplugin.PrepareResult
		for _, r := range c.Status.Allocation.Devices.Results {
			if r.Driver != driverName {
				continue
			}
			res.Devices = append(res.Devices, kubeletplugin.Device{
				Requests: []string{r.Request}, PoolName: r.Pool, DeviceName: r.Device,
				CDIDeviceIDs: []string{cdiKind + "=" + r.Device},
			})
		}
		out[c.UID] = res
	}
	return out, nil
}

func (draDriver) UnprepareResourceClaims(_ context.Context, claims []kubeletplugin.NamespacedObject) (map[types.UID]error, error) {
	out := map[types.UID]error{}
	for _, c := range claims {
		out[c.UID] = nil
	}
	return out, nil
}

func (draDriver) HandleError(_ context.Context, err error, msg string) {
	fmt.Fprintln(os.Stderr, msg, err)
}
