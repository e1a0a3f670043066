package recommender

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

const (
	cpu    = corev1.ResourceCPU
	memory = corev1.ResourceMemory
	mib    = 1 << 20
	gib    = 1 << 30
)

func quantities(cpuText, memoryText string) corev1.ResourceList {
	l := corev1.ResourceList{}
	if cpuText != "" {
		l[cpu] = resource.MustParse(cpuText)
	}
	if memoryText != "" {
		l[memory] = resource.MustParse(memoryText)
	}
	return l
}

// pod has a container "main" and others.
func pod(main corev1.ResourceRequirements, others ...corev1.Container) *corev1.PodSpec {
	return &corev1.PodSpec{Containers: append([]corev1.Container{{Name: "main", Resources: main}}, others...)}
}

// TestRecommend tells for one container how policy, LimitRange, limits and nodes
// bound a need of 1 to 4 cores, 2 of them the target, and as many GiB.
func TestRecommend(t *testing.T) {
	need := Needs{"main": {cpu: {1000, 2000, 4000}, memory: {1 * gib, 2 * gib, 4 * gib}}}
	policy := func(p vpav1.ContainerResourcePolicy) *vpav1.PodResourcePolicy {
		p.ContainerName = "*"
		return &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{p}}
	}
	limits := func(item corev1.LimitRangeItem) Room { return Room{LimitRanges: []corev1.LimitRangeItem{item}} }
	const unbounded = "cpu 1/2/4 (2) memory 1Gi/2Gi/4Gi (2Gi)"
	for _, c := range []struct {
		name   string
		pod    *corev1.PodSpec
		policy *vpav1.PodResourcePolicy
		room   Room
		want   string
	}{
		{name: "nothing bounds it", want: unbounded},
		{name: "minAllowed", policy: policy(vpav1.ContainerResourcePolicy{MinAllowed: quantities("3", "3Gi")}), want: "cpu 3/3/4 (2) memory 3Gi/3Gi/4Gi (2Gi)"},
		{name: "maxAllowed", policy: policy(vpav1.ContainerResourcePolicy{MaxAllowed: quantities("1500m", "512Mi")}), want: "cpu 1/1500m/1500m (2) memory 512Mi/512Mi/512Mi (2Gi)"},
		{name: "global maximum", room: Room{MaxAllowed: quantities("1500m", "")}, want: "cpu 1/1500m/1500m (2) memory 1Gi/2Gi/4Gi (2Gi)"},
		{name: "the policy's maximum goes before the global one", room: Room{MaxAllowed: quantities("1", "1Gi")},
			policy: policy(vpav1.ContainerResourcePolicy{MaxAllowed: quantities("3", "")}), want: "cpu 1/2/3 (2) memory 1Gi/1Gi/1Gi (2Gi)"},
		{name: "memory alone", policy: policy(vpav1.ContainerResourcePolicy{ControlledResources: &[]corev1.ResourceName{memory}}), want: "memory 1Gi/2Gi/4Gi (2Gi)"},
		{name: "off", policy: policy(vpav1.ContainerResourcePolicy{Mode: new(vpav1.ContainerScalingModeOff)}), want: ""},
		{name: "LimitRange", room: limits(corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Min: quantities("1500m", ""), Max: quantities("3", "1Gi")}),
			want: "cpu 1500m/2/3 (2) memory 1Gi/1Gi/1Gi (2Gi)"},
		{name: "LimitRange, and limits at twice the requests", room: limits(corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Max: quantities("3", "")}),
			pod:  pod(corev1.ResourceRequirements{Requests: quantities("1", "1Gi"), Limits: quantities("2", "2Gi")}),
			want: "cpu 1/1500m/1500m (2) memory 1Gi/2Gi/4Gi (2Gi)"},
		{name: "LimitRange, and limits that it gives", room: limits(corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Max: quantities("3", ""), Default: quantities("2", "")}),
			pod:  pod(corev1.ResourceRequirements{Requests: quantities("1", "")}),
			want: "cpu 1/1500m/1500m (2) memory 1Gi/2Gi/4Gi (2Gi)"},
		{name: "LimitRange, and requests that it gives", room: limits(corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Max: quantities("3", ""), Default: quantities("2", ""), DefaultRequest: quantities("500m", "")}),
			want: "cpu 750m/750m/750m (2) memory 1Gi/2Gi/4Gi (2Gi)"},
		{name: "limits that a LimitRange gives and that stay", room: limits(corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Default: quantities("1800m", "")}),
			policy: policy(vpav1.ContainerResourcePolicy{ControlledValues: new(vpav1.ContainerControlledValuesRequestsOnly)}),
			want:   "cpu 1/1800m/1800m (2) memory 1Gi/2Gi/4Gi (2Gi)"},
		{name: "limits that stay as they are", policy: policy(vpav1.ContainerResourcePolicy{ControlledValues: new(vpav1.ContainerControlledValuesRequestsOnly)}),
			pod:  pod(corev1.ResourceRequirements{Limits: quantities("1800m", "")}),
			want: "cpu 1/1800m/1800m (2) memory 1Gi/2Gi/4Gi (2Gi)"},
		{name: "LimitRange of pods", room: limits(corev1.LimitRangeItem{Type: corev1.LimitTypePod, Max: quantities("", "3Gi")}), want: "cpu 1/2/4 (2) memory 1Gi/2Gi/3Gi (2Gi)"},
		{name: "a node", room: Room{Nodes: []corev1.ResourceList{quantities("1", "1536Mi")}}, want: "cpu 1/1/1 (2) memory 1Gi/1536Mi/1536Mi (2Gi)"},
		{name: "the CPU of the node that has the memory", room: Room{Nodes: []corev1.ResourceList{quantities("16", "1Gi"), quantities("1500m", "8Gi")}},
			want: "cpu 1/1500m/1500m (2) memory 1Gi/2Gi/4Gi (2Gi)"},
		{name: "a node beside another container", room: Room{Nodes: []corev1.ResourceList{quantities("8", "3Gi")}},
			pod:  pod(corev1.ResourceRequirements{}, corev1.Container{Name: "other", Resources: corev1.ResourceRequirements{Requests: quantities("1", "1280Mi")}}),
			want: "cpu 1/2/4 (2) memory 1Gi/1792Mi/1792Mi (2Gi)"},
		{name: "minAllowed beyond all nodes", policy: policy(vpav1.ContainerResourcePolicy{MinAllowed: quantities("64", "")}),
			room: Room{Nodes: []corev1.ResourceList{quantities("8", "8Gi")}}, want: "cpu 8/8/8 (2) memory 1Gi/2Gi/4Gi (2Gi)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.pod == nil {
				c.pod = pod(corev1.ResourceRequirements{})
			}
			got := ""
			for _, r := range recommend(c.pod, need, c.policy, c.room) {
				got += told(r)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("lower/target/upper (uncapped) (-want +got):\n%s", diff)
			}
		})
	}
}

// told is a recommendation in a line.
func told(r vpav1.RecommendedContainerResources) (s string) {
	for _, name := range resources {
		if _, ok := r.Target[name]; ok {
			text := func(l corev1.ResourceList) string { q := l[name]; return q.String() }
			s += fmt.Sprintf(" %s %s/%s/%s (%s)", name, text(r.LowerBound), text(r.Target), text(r.UpperBound), text(r.UncappedTarget))
		}
	}
	return s[min(1, len(s)):]
}

// random makes pods, needs, policies and rooms, sensible and not.
type random struct{ *rand.Rand }

func (r random) amount(most int64) int64 { return r.Int64N(most) >> r.IntN(40) }

func (r random) list(chance float64) corev1.ResourceList {
	a := amounts{}
	if r.Float64() < chance {
		a[cpu] = r.amount(128_000)
	}
	if r.Float64() < chance {
		a[memory] = r.amount(1 << 40)
	}
	return list(a)
}

func (r random) need(most int64) Need {
	lower := r.amount(most)
	target := lower + r.amount(most)
	return Need{lower, target, target + r.amount(most)}
}

func (r random) world() (*corev1.PodSpec, Needs, *vpav1.PodResourcePolicy, Room) {
	p, needs, policy, room := &corev1.PodSpec{}, Needs{}, &vpav1.PodResourcePolicy{}, Room{}
	for i := range 1 + r.IntN(4) {
		c := corev1.Container{Name: fmt.Sprint(i)}
		c.Resources.Requests = r.list(0.7)
		if r.IntN(2) == 0 {
			c.Resources.Limits = r.list(0.7)
		}
		p.Containers = append(p.Containers, c)
		if r.IntN(4) > 0 {
			needs[c.Name] = map[corev1.ResourceName]Need{}
			if r.IntN(4) > 0 {
				needs[c.Name][cpu] = r.need(64_000)
			}
			if r.IntN(4) > 0 {
				needs[c.Name][memory] = r.need(1 << 39)
			}
		}
		if r.IntN(3) == 0 {
			cp := vpav1.ContainerResourcePolicy{ContainerName: c.Name, MinAllowed: r.list(0.3), MaxAllowed: r.list(0.3)}
			switch r.IntN(4) {
			case 0:
				cp.Mode = new(vpav1.ContainerScalingModeOff)
			case 1:
				cp.ControlledResources = &[]corev1.ResourceName{resources[r.IntN(2)]}
			case 2:
				cp.ControlledValues = new(vpav1.ContainerControlledValuesRequestsOnly)
			}
			policy.ContainerPolicies = append(policy.ContainerPolicies, cp)
		}
	}
	for range r.IntN(4) {
		room.Nodes = append(room.Nodes, list(amounts{cpu: 1 + r.amount(256_000), memory: 1 + r.amount(1<<41)}))
	}
	if r.IntN(3) == 0 {
		room.MaxAllowed = r.list(0.5)
	}
	for range r.IntN(3) {
		room.LimitRanges = append(room.LimitRanges, corev1.LimitRangeItem{
			Type: []corev1.LimitType{corev1.LimitTypeContainer, corev1.LimitTypePod}[r.IntN(2)], Min: r.list(0.3), Max: r.list(0.3), Default: r.list(0.3), DefaultRequest: r.list(0.3),
		})
	}
	return p, needs, policy, room
}

// TestRecommendProperties holds recommendations for random pods to what recommend
// promises, and to be monotone: a container that needs more is never given less,
// unless it shares a node with others.
func TestRecommendProperties(t *testing.T) {
	const seed = 5
	r := random{rand.New(rand.NewPCG(seed, seed))}
	for n := range 20_000 {
		p, needs, policy, room := r.world()
		got := recommend(p, needs, policy, room)
		sums := amounts{}
		for _, c := range p.Containers {
			for _, name := range resources {
				sums[name] += request(&c, name)
			}
		}
		others := amounts{cpu: sums[cpu], memory: sums[memory]}
		for _, rec := range got {
			c := containerOf(p, rec.ContainerName)
			cp := policyOf(policy, c.Name)
			if len(rec.Target) == 0 {
				t.Fatalf("seed %d, case %d: %s: an empty recommendation", seed, n, c.Name)
			}
			for _, name := range resources {
				need, needed := needs[c.Name][name]
				target, ok := amount(rec.Target, name)
				if !ok {
					continue
				}
				if !needed || !contains(controlled(cp), name) {
					t.Fatalf("seed %d, case %d: %s: %s is not VPA's to set", seed, n, c.Name, name)
				}
				lower, _ := amount(rec.LowerBound, name)
				upper, _ := amount(rec.UpperBound, name)
				uncapped, _ := amount(rec.UncappedTarget, name)
				if lower <= 0 || lower > target || target > upper || uncapped <= 0 {
					t.Fatalf("seed %d, case %d: %s: %s %d/%d/%d (%d)", seed, n, c.Name, name, lower, target, upper, uncapped)
				}
				if m, ok := amount(cp.MaxAllowed, name); ok && m > 0 && upper > max(m, 1) {
					t.Fatalf("seed %d, case %d: %s: %s %d, maxAllowed %d", seed, n, c.Name, name, upper, m)
				}
				sums[name] += target - request(c, name)
				others[name] -= request(c, name)
				if uncapped != max(need.Target, least[name]) {
					t.Fatalf("seed %d, case %d: %s: uncapped %s %d, need %d", seed, n, c.Name, name, uncapped, need.Target)
				}
			}
		}
		// One millicore or byte is given even where there is no room for it.
		slack := int64(len(got))
		if len(room.Nodes) > 0 && others[memory] < most(room, memory, 0) && others[cpu] < most(room, cpu, min(sums[memory], most(room, memory, 0))) {
			fits := false
			for _, node := range room.Nodes {
				c, _ := amount(node, cpu)
				m, _ := amount(node, memory)
				fits = fits || sums[cpu] <= c+slack && sums[memory] <= m+slack
			}
			if !fits {
				t.Fatalf("seed %d, case %d: %v fits no node of %v", seed, n, sums, room.Nodes)
			}
		}
		if len(p.Containers) > 1 {
			continue
		}
		name := resources[r.IntN(2)]
		if need, ok := needs["0"][name]; ok {
			by := r.amount(1 << 30)
			needs["0"][name] = Need{need.Lower + by, need.Target + by, need.Upper + by}
			for i, more := range recommend(p, needs, policy, room) {
				a, _ := amount(got[i].Target, name)
				if b, _ := amount(more.Target, name); b < a {
					t.Fatalf("seed %d, case %d: %s falls from %d to %d when %d more are needed", seed, n, name, a, b, by)
				}
			}
		}
	}
}

func containerOf(p *corev1.PodSpec, name string) *corev1.Container {
	for i := range p.Containers {
		if p.Containers[i].Name == name {
			return &p.Containers[i]
		}
	}
	return nil
}

func contains(names []corev1.ResourceName, name corev1.ResourceName) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
