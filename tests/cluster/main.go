// One program for a whole local Kubernetes: the name it is called by, or its first argument, says which part it is.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"cherokee.ai/local-cluster/internal/gpus"
	"cherokee.ai/local-cluster/internal/image"
	"cherokee.ai/local-cluster/internal/netpol"
	"cherokee.ai/local-cluster/internal/volumes"
	"github.com/containerd/containerd/v2/cmd/containerd/command"
	ctr "github.com/containerd/containerd/v2/cmd/ctr/app"
	"github.com/coredns/coredns/coremain"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	helm "helm.sh/helm/v4/pkg/cmd"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	sched "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	_ "github.com/containerd/containerd/v2/cmd/containerd/builtins"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

// programs end by returning: an error is said and makes the exit status 1.
var programs = map[string]func(args []string) error{
	"containerd": func([]string) error {
		r := prometheus.NewRegistry() // etcd's and the kubelet's gRPC metrics are in the default one already
		prometheus.DefaultRegisterer, prometheus.DefaultGatherer = r, r
		return command.App().Run(os.Args)
	},
	"ctr": func([]string) error { return ctr.New().Run(os.Args) },
	"helm": func(args []string) error {
		h, err := helm.NewRootCmd(os.Stdout, args, helm.SetupLogging)
		if err != nil {
			return err
		}
		return h.Execute()
	},
	"kubectl":   func([]string) error { return cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()) },
	"fake-gpus": gpus.Main,
	"netpol":    netpol.Main,
	"image":     image.Main,
	"volumes":   volumes.Main,
}

// components are Kubernetes' own daemons, which print their errors themselves.
var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": kcm.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return sched.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kube-proxy":              proxy.NewProxyCommand,
}

func main() {
	name := filepath.Base(os.Args[0])
	if name == "local-cluster" && len(os.Args) > 1 {
		name = os.Args[1]
		os.Args = os.Args[1:]
	}
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
		return
	case "coredns":
		coremain.Run()
		return
	}
	if newCommand, ok := components[name]; ok {
		os.Exit(cli.Run(newCommand()))
	}
	program, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no program is called %q here\n", name)
		os.Exit(2)
	}
	if err := program(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}
