package gpus

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	resourceName = "nvidia.com/gpu"
	pluginSocket = "fake-gpu.sock"
	// registerTimeout bounds the registration: a kubelet that starts leaves a socket before it answers.
	registerTimeout = time.Minute
)

// runDevicePlugin serves the node's GPUs as nvidia.com/gpu. It ends when the kubelet has removed its socket, which every
// kubelet that starts does: the next run registers anew.
func runDevicePlugin(ctx context.Context, node Node) error {
	socket := filepath.Join(pluginapi.DevicePluginPath, pluginSocket)
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	pluginapi.RegisterDevicePluginServer(server, &devicePlugin{node: node})
	go server.Serve(listener)
	if err := register(ctx); err != nil {
		return fmt.Errorf("register with the kubelet: %w", err)
	}
	for {
		time.Sleep(pollInterval)
		if _, err := os.Stat(socket); err != nil {
			return fmt.Errorf("the kubelet has started again: %w", err)
		}
	}
}

func register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	conn, err := grpc.NewClient("unix://"+pluginapi.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = pluginapi.NewRegistrationClient(conn).Register(ctx, &pluginapi.RegisterRequest{
		Version: pluginapi.Version, Endpoint: pluginSocket, ResourceName: resourceName,
	}, grpc.WaitForReady(true))
	return err
}

type devicePlugin struct {
	pluginapi.UnimplementedDevicePluginServer
	node Node
}

func (p *devicePlugin) GetDevicePluginOptions(context.Context, *pluginapi.Empty) (*pluginapi.DevicePluginOptions, error) {
	return &pluginapi.DevicePluginOptions{}, nil
}

// ListAndWatch sends the devices again whenever one is hidden or shown; a hidden one is unhealthy, so it counts in the
// node's capacity and no longer in what is allocatable.
func (p *devicePlugin) ListAndWatch(_ *pluginapi.Empty, stream grpc.ServerStreamingServer[pluginapi.ListAndWatchResponse]) error {
	for sent := ""; stream.Context().Err() == nil; time.Sleep(pollInterval) {
		hidden := p.node.Hidden()
		now := fmt.Sprint(hidden)
		if now == sent {
			continue
		}
		resp := &pluginapi.ListAndWatchResponse{}
		for _, d := range p.node.Devices {
			health := pluginapi.Healthy
			if hidden[d.UUID] {
				health = pluginapi.Unhealthy
			}
			resp.Devices = append(resp.Devices, &pluginapi.Device{ID: d.UUID, Health: health})
		}
		if err := stream.Send(resp); err != nil {
			return err
		}
		sent = now
	}
	return stream.Context().Err()
}

func (p *devicePlugin) Allocate(_ context.Context, r *pluginapi.AllocateRequest) (*pluginapi.AllocateResponse, error) {
	resp := &pluginapi.AllocateResponse{}
	for _, c := range r.ContainerRequests {
		envs := map[string]string{}
		for _, e := range environment(strings.Join(c.DevicesIds, ",")) {
			name, value, _ := strings.Cut(e, "=")
			envs[name] = value
		}
		resp.ContainerResponses = append(resp.ContainerResponses, &pluginapi.ContainerAllocateResponse{Envs: envs})
	}
	return resp, nil
}
