// Package netpol enforces NetworkPolicy on one node with nftables: TCP, UDP and SCTP over IPv4; named ports in ingress only.
package netpol

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	retryAfter = time.Second
	// settle is the least time between two rule sets, so that a burst of events is one change.
	settle = 50 * time.Millisecond
)

// Main keeps the node's rules equal to the policies until it is killed. Arguments: NODE KUBECONFIG.
func Main(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: netpol NODE KUBECONFIG")
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", args[1])
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	return run(context.Background(), client, args[0])
}

func run(ctx context.Context, client kubernetes.Interface, node string) error {
	f := informers.NewSharedInformerFactory(client, 0)
	v := view{node: node, pods: f.Core().V1().Pods().Informer(), namespaces: f.Core().V1().Namespaces().Informer(),
		policies: f.Networking().V1().NetworkPolicies().Informer()}
	changed := make(chan struct{}, 1)
	poke := func() {
		select {
		case changed <- struct{}{}:
		default: // a look is due already
		}
	}
	for _, i := range []cache.SharedIndexInformer{v.pods, v.namespaces, v.policies} {
		if _, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(any) { poke() },
			UpdateFunc: func(any, any) { poke() }, DeleteFunc: func(any) { poke() }}); err != nil {
			return err
		}
	}
	f.Start(ctx.Done())
	f.WaitForCacheSync(ctx.Done())
	for last := ""; ; time.Sleep(settle) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
		rules := v.rules()
		if rules == last {
			continue
		}
		if err := load(rules); err != nil {
			fmt.Fprintln(os.Stderr, err, rules)
			time.AfterFunc(retryAfter, poke)
			continue
		}
		last = rules
	}
}

// load replaces the node's table in one transaction.
func load(rules string) error {
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin, cmd.Stderr = strings.NewReader(rules), os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("nft: %w", err)
	}
	return nil
}
