package netpol

import (
	"bytes"
	"fmt"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"
)

// view is what a node's rules are made of.
type view struct {
	node                       string
	pods, namespaces, policies cache.SharedIndexInformer
}

// each visits a cache in the order of its keys, so that the same objects give the same rules.
func each[T any](i cache.SharedIndexInformer, do func(*T)) {
	keys := i.GetStore().ListKeys()
	sort.Strings(keys)
	for _, k := range keys {
		if o, ok, _ := i.GetStore().GetByKey(k); ok {
			do(o.(*T))
		}
	}
}

func matches(s *metav1.LabelSelector, l map[string]string) bool {
	sel, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && sel.Matches(labels.Set(l))
}

// rules is the whole rule set of this node: a pod that a policy isolates drops what no policy allows.
func (v view) rules() string {
	var jumps, chains bytes.Buffer
	each(v.pods, func(p *corev1.Pod) {
		if p.Spec.NodeName != v.node || p.Spec.HostNetwork || p.Status.PodIP == "" ||
			p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			return
		}
		write := func(direction, address string, allowed []string) {
			name := direction + "-" + strings.ReplaceAll(p.Status.PodIP, ".", "-")
			fmt.Fprintf(&jumps, "  ip %s %s jump %s\n", address, p.Status.PodIP, name)
			fmt.Fprintf(&chains, " chain %s {\n  %s\n  counter drop\n }\n", name, strings.Join(allowed, "\n  "))
		}
		in, out := v.isolation(p)
		if in.isolated {
			write("in", "daddr", in.allowed)
		}
		if out.isolated {
			write("out", "saddr", out.allowed)
		}
	})
	return "table ip netpol\ndelete table ip netpol\ntable ip netpol {\n" + chains.String() +
		" chain forward {\n  type filter hook forward priority 10; policy accept;\n  ct state established,related accept\n" +
		jumps.String() + " }\n}\n"
}

// isolation is what all policies say together about one direction of a pod's traffic.
type isolation struct {
	isolated bool
	allowed  []string
}

func (v view) isolation(p *corev1.Pod) (in, out isolation) {
	each(v.policies, func(np *netv1.NetworkPolicy) {
		if np.Namespace != p.Namespace || !matches(&np.Spec.PodSelector, p.Labels) {
			return
		}
		for _, t := range np.Spec.PolicyTypes { // the API server defaults them
			switch t {
			case netv1.PolicyTypeIngress:
				in.isolated = true
				for _, r := range np.Spec.Ingress {
					in.allowed = append(in.allowed, allow(v.peers("saddr", np.Namespace, r.From), ports(r.Ports, p))...)
				}
			case netv1.PolicyTypeEgress:
				out.isolated = true
				for _, r := range np.Spec.Egress {
					out.allowed = append(out.allowed, allow(v.peers("daddr", np.Namespace, r.To), ports(r.Ports, nil))...)
				}
			}
		}
	})
	return in, out
}

// allow lists the nftables rules of one policy rule: every peer by every port.
func allow(peers, ports []string) []string {
	var out []string
	for _, peer := range peers {
		for _, port := range ports {
			out = append(out, peer+port+"return")
		}
	}
	return out
}

// peers are the address matches of a rule; no peers at all means everyone.
func (v view) peers(addr, namespace string, peers []netv1.NetworkPolicyPeer) []string {
	if len(peers) == 0 {
		return []string{""}
	}
	var out []string
	for _, peer := range peers {
		if b := peer.IPBlock; b != nil {
			match := fmt.Sprintf("ip %s %s ", addr, b.CIDR)
			if len(b.Except) > 0 {
				match += fmt.Sprintf("ip %s != { %s } ", addr, strings.Join(b.Except, ", "))
			}
			out = append(out, match)
			continue
		}
		if ips := v.podIPs(namespace, peer); len(ips) > 0 {
			out = append(out, fmt.Sprintf("ip %s { %s } ", addr, strings.Join(ips, ", ")))
		}
	}
	return out
}

func (v view) podIPs(namespace string, peer netv1.NetworkPolicyPeer) []string {
	seen := map[string]bool{}
	each(v.pods, func(p *corev1.Pod) {
		if p.Status.PodIP == "" || p.Spec.HostNetwork || peer.PodSelector != nil && !matches(peer.PodSelector, p.Labels) {
			return
		}
		if peer.NamespaceSelector == nil {
			if p.Namespace == namespace {
				seen[p.Status.PodIP] = true
			}
			return
		}
		ns, ok, _ := v.namespaces.GetStore().GetByKey(p.Namespace)
		if ok && matches(peer.NamespaceSelector, ns.(*corev1.Namespace).Labels) {
			seen[p.Status.PodIP] = true
		}
	})
	ips := make([]string, 0, len(seen)) // a finished pod's address may be another's already
	for ip := range seen {
		ips = append(ips, ip)
	}
	sort.Strings(ips)
	return ips
}

// ports are the port matches of a rule; self is the pod whose named ports count, nil where none can.
func ports(ports []netv1.NetworkPolicyPort, self *corev1.Pod) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var out []string
	for _, port := range ports {
		proto := "tcp"
		if port.Protocol != nil {
			proto = strings.ToLower(string(*port.Protocol))
		}
		switch {
		case port.Port == nil:
			out = append(out, "meta l4proto "+proto+" ")
		case port.Port.StrVal != "" && self != nil:
			for _, c := range self.Spec.Containers {
				for _, cp := range c.Ports {
					if cp.Name == port.Port.StrVal {
						out = append(out, fmt.Sprintf("%s dport %d ", proto, cp.ContainerPort))
					}
				}
			}
		case port.Port.StrVal == "" && port.EndPort != nil:
			out = append(out, fmt.Sprintf("%s dport %d-%d ", proto, port.Port.IntVal, *port.EndPort))
		case port.Port.StrVal == "":
			out = append(out, fmt.Sprintf("%s dport %d ", proto, port.Port.IntVal))
		}
	}
	return out
}
