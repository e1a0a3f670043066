package cluster

import "context"

// Add starts another program beside the control plane, as one of it: its log is in
// Dir, and Kill, Restart and Stop know it by its name. It waits until the URL ready
// answers 200. It must not be called while Stop is.
func (c *Cluster) Add(ctx context.Context, name, path string, args []string, ready string) error {
	p := &process{name: name, path: path, args: args, ready: ready, dir: c.Dir, log: c.waves[0][0].log}
	c.waves = append(c.waves, []*process{p})
	return p.start(ctx, c.http)
}

// FreePorts finds free ports of loopback, all different, one for each name.
func FreePorts(names ...string) (map[string]int, error) { return freePorts(names...) }
