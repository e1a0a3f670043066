package sim

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/scheduler"
)

// A Cluster is what jobs run on. Make one with Processors or NewCluster.
type Cluster struct {
	resources  []string
	nodes      []scheduler.Node
	models     []string // GPU model of each node
	processors int64    // of a cluster without placement; else 0
}

// Processors returns a cluster of n equal processors without placement, as the
// logs of the Parallel Workloads Archive are simulated. A job takes one processor
// for each GPU of its pods, or if it has none one for each CPU core, at least one
// a pod.
func Processors(n int) Cluster {
	return Cluster{
		resources:  []string{"processors"},
		nodes:      []scheduler.Node{{Name: "all", Capacity: scheduler.Vector{int64(n)}}},
		models:     []string{""},
		processors: int64(n),
	}
}

// A NodeGroup is a number of equal nodes, as a nodes file lists them.
type NodeGroup struct {
	Name     string            `json:"name"`
	Count    int               `json:"count"` // 0 is 1
	CPUCores float64           `json:"cpu_cores"`
	Memory   predictor.Bytes   `json:"memory_bytes"`
	GPUs     float64           `json:"gpus"`
	GPUModel string            `json:"gpu_model"`
	Labels   map[string]string `json:"labels"`
}

// String says what the group is: "12 nodes of 8 cores, 32 GiB, 4 GPUs".
func (g NodeGroup) String() string {
	text := "1 node"
	if g.Count > 1 {
		text = strconv.Itoa(g.Count) + " nodes"
	}
	text += fmt.Sprintf(" of %g cores, %s", g.CPUCores, g.Memory)
	if g.GPUs > 0 {
		text += fmt.Sprintf(", %g GPUs", g.GPUs)
	}
	if g.GPUModel != "" {
		text += " (" + g.GPUModel + ")"
	}
	return text
}

// NewCluster returns a cluster of nodes with CPU, memory and GPUs. A job with a
// GPU model runs only on nodes of that model.
func NewCluster(groups []NodeGroup) (Cluster, error) {
	c := Cluster{resources: []string{"cpu", "memory", "nvidia.com/gpu"}}
	for i, g := range groups {
		if g.Count < 0 || g.CPUCores < 0 || g.Memory < 0 || g.GPUs < 0 {
			return c, fmt.Errorf("node group %d (%s): expected amounts of at least 0", i, g.Name)
		}
		for n := range max(g.Count, 1) {
			name := g.Name
			if g.Count > 1 {
				name += "-" + strconv.Itoa(n)
			}
			c.nodes = append(c.nodes, scheduler.Node{Name: name, Capacity: scheduler.Vector{millis(g.CPUCores), int64(g.Memory), int64(g.GPUs)}})
			c.models = append(c.models, g.GPUModel)
		}
	}
	if len(c.nodes) == 0 {
		return c, errors.New("expected at least one node")
	}
	return c, nil
}

func millis(cores float64) int64 { return int64(math.Ceil(cores * 1000)) }

// request returns what one pod of a job takes, and how many pods there are.
func (c *Cluster) request(j *predictor.JobSpec) ([]int64, int) {
	if c.processors == 0 {
		r := j.Requests
		return []int64{millis(r.CPUCores), int64(r.Memory), int64(math.Ceil(r.GPUs))}, j.Gang()
	}
	each := j.Requests.GPUs
	if each == 0 {
		each = j.Requests.CPUCores
	}
	return []int64{int64(j.Gang()) * max(int64(math.Ceil(each)), 1)}, 1
}

// allowed tells of each node whether a job that names a GPU model, or none, may
// use it.
func (c *Cluster) allowed(model string) []bool {
	allowed := make([]bool, len(c.nodes))
	for n := range allowed {
		allowed[n] = model == "" || c.processors > 0 || c.models[n] == model
	}
	return allowed
}

// total is the capacity of all nodes, for each resource.
func (c *Cluster) total() []int64 {
	total := make([]int64, len(c.resources))
	for _, n := range c.nodes {
		for r, v := range n.Capacity {
			total[r] += v
		}
	}
	return total
}

// holds reports whether pods of a request fit on the allowed nodes when these are empty.
func (c *Cluster) holds(request []int64, pods int, allowed []bool) bool {
	for n, ok := range allowed {
		if !ok {
			continue
		}
		fits := int64(pods)
		for r, q := range request {
			if q > 0 {
				fits = min(fits, c.nodes[n].Capacity[r]/q)
			}
		}
		if pods -= int(fits); pods <= 0 {
			return true
		}
	}
	return false
}
