package netpol

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/cache"
)

func pod(name, node, ip string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "pond", Name: name, Labels: labels},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{
			{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}}},
		Status: corev1.PodStatus{PodIP: ip},
	}
}

func TestAnIsolatedPodOfThisNodeAcceptsOnlyWhatAPolicyAllows(t *testing.T) {
	store := func(of runtime.Object) cache.SharedIndexInformer {
		return cache.NewSharedIndexInformer(&cache.ListWatch{}, of, 0, nil)
	}
	v := view{node: "perch", pods: store(&corev1.Pod{}), namespaces: store(&corev1.Namespace{}), policies: store(&netv1.NetworkPolicy{})}
	for _, p := range []*corev1.Pod{
		pod("web", "perch", "10.0.0.1", map[string]string{"app": "web"}),
		pod("friend", "pike", "10.0.1.1", map[string]string{"app": "friend"}),
		pod("free", "perch", "10.0.0.2", nil),
	} {
		if err := v.pods.GetStore().Add(p); err != nil {
			t.Fatal(err)
		}
	}
	http := intstr.FromString("http")
	policy := &netv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "pond", Name: "web"}, Spec: netv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeIngress},
		Ingress: []netv1.NetworkPolicyIngressRule{{
			From:  []netv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "friend"}}}},
			Ports: []netv1.NetworkPolicyPort{{Port: &http}},
		}},
	}}
	if err := v.policies.GetStore().Add(policy); err != nil {
		t.Fatal(err)
	}
	rules := v.rules()
	for _, want := range []string{
		"ip daddr 10.0.0.1 jump in-10-0-0-1",
		"ip saddr { 10.0.1.1 } tcp dport 8080 return\n  counter drop",
	} {
		if !strings.Contains(rules, want) {
			t.Errorf("rules lack %q:\n%s", want, rules)
		}
	}
	for _, never := range []string{"10.0.0.2", "out-"} {
		if strings.Contains(rules, never) {
			t.Errorf("rules mention %q, which no policy isolates:\n%s", never, rules)
		}
	}
}
