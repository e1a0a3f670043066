//go:build chart

package deploy

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// A peer is a pod by its namespace and component; with neither it is no pod of the cluster.
type peer struct{ namespace, component string }

func (p peer) labels() labels.Set {
	return labels.Set{"app.kubernetes.io/name": "runcast", "app.kubernetes.io/instance": "runcast", "app.kubernetes.io/component": p.component}
}

// A port has its name in the pod that it is a port of.
type port struct {
	name   string
	number int
}

func (p port) in(ports []networkingv1.NetworkPolicyPort) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(of networkingv1.NetworkPolicyPort) bool {
		return *of.Port == intstr.FromString(p.name) || *of.Port == intstr.FromInt(p.number)
	})
}

func (p peer) in(peers []networkingv1.NetworkPolicyPeer, namespace string) bool {
	return len(peers) == 0 || slices.ContainsFunc(peers, func(of networkingv1.NetworkPolicyPeer) bool {
		here := p.namespace == namespace || of.NamespaceSelector != nil // which here is empty: all
		return p != peer{} && here && (of.PodSelector == nil || matches(of.PodSelector, p))
	})
}

func matches(s *metav1.LabelSelector, p peer) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(p.labels())
}

// policies are those of a rendering.
type policies []networkingv1.NetworkPolicy

// of are those that a pod is subject to; without any it may do everything.
func (all policies) of(p peer) (some policies) {
	for _, policy := range all {
		if policy.Namespace == p.namespace && matches(&policy.Spec.PodSelector, p) {
			some = append(some, policy)
		}
	}
	return some
}

func (all policies) reaches(from, to peer, on port) bool {
	out, in := all.of(from), all.of(to)
	leaves := len(out) == 0 || slices.ContainsFunc(out, func(p networkingv1.NetworkPolicy) bool {
		return slices.ContainsFunc(p.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool {
			return on.in(r.Ports) && to.in(r.To, p.Namespace)
		})
	})
	enters := len(in) == 0 || slices.ContainsFunc(in, func(p networkingv1.NetworkPolicy) bool {
		return slices.ContainsFunc(p.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool {
			return on.in(r.Ports) && from.in(r.From, p.Namespace)
		})
	})
	return leaves && enters
}

// TestNetwork works out what the NetworkPolicies let through: the calls that docs/install.md
// has, of the API server, of Prometheus and by it, and nothing else.
func TestNetwork(t *testing.T) {
	text, err := os.ReadFile("testdata/default.golden.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all policies
	for doc := range strings.SplitSeq(string(text), "\n---\n") {
		var policy networkingv1.NetworkPolicy
		if err := yaml.Unmarshal([]byte(doc), &policy); err == nil && policy.Kind == "NetworkPolicy" {
			all = append(all, policy)
		}
	}
	peers := map[string]peer{"a pod beside them": {"runcast", "other"}, "a pod elsewhere": {"monitoring", "other"}, "outside": {}}
	for _, c := range []string{"collector", "predictor", "scheduler", "recommender", "train"} {
		peers[c] = peer{"runcast", c}
	}
	got := map[string][]string{}
	for what, on := range map[string]port{"gRPC": {"grpc", 7465}, "metrics": {"metrics", 9465}, "webhook": {"webhook", 9443}, "HTTPS": {"", 443}, "Prometheus": {"", 9090}, "SSH": {"", 22}} {
		for from, a := range peers {
			for to, b := range peers {
				// Of others only what they have to do with ours.
				if a.component == b.component || len(all.of(a))+len(all.of(b)) == 0 || !all.reaches(a, b, on) {
					continue
				}
				got[what] = append(got[what], from+" to "+to)
			}
		}
		slices.Sort(got[what])
	}
	metrics := []string{}
	for _, c := range []string{"collector", "predictor", "recommender", "scheduler"} {
		metrics = append(metrics, "a pod beside them to "+c, "a pod elsewhere to "+c)
	}
	slices.Sort(metrics)
	anywhere := func(from ...string) (pairs []string) {
		for _, f := range from {
			for _, to := range []string{"a pod beside them", "a pod elsewhere", "outside"} {
				pairs = append(pairs, f+" to "+to)
			}
		}
		return pairs
	}
	want := map[string][]string{
		"gRPC":       {"predictor to collector", "recommender to predictor", "scheduler to predictor", "train to collector"},
		"metrics":    metrics,
		"webhook":    {"a pod beside them to scheduler", "a pod elsewhere to scheduler", "outside to scheduler"},
		"HTTPS":      anywhere("collector", "predictor", "recommender", "scheduler"),
		"Prometheus": anywhere("collector", "recommender", "scheduler"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what reaches what (-want +got):\n%s", diff)
	}
}
