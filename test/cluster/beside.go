package cluster

import (
	"context"
	"encoding/json"
	"os"
)

// Add starts another program beside the control plane, as one of it: its log is in
// Dir, and Kill, Restart and Stop know it by its name. It waits until the URL ready
// answers 200. It must not be called while Stop is.
func (c *Cluster) Add(ctx context.Context, name, path string, args []string, ready string) error {
	p := &process{name: name, path: path, args: args, ready: ready, dir: c.Dir, log: c.waves[0][0].log}
	c.waves = append(c.waves, []*process{p})
	return p.start(ctx, c.http)
}

// Scrape lets Prometheus read the metrics of a program that was added, at an address, as those of a pod by its
// name in a namespace.
func (c *Cluster) Scrape(namespace, name, address string) error {
	text, err := json.Marshal([]map[string]any{{
		"targets": []string{address}, "labels": map[string]string{"namespace": namespace, "pod": name, "container": name},
	}})
	if err != nil {
		return err
	}
	// Written aside and renamed: Prometheus never reads half of it.
	part := c.file("targets/" + name + ".part")
	if err := os.WriteFile(part, text, 0o600); err != nil {
		return err
	}
	return os.Rename(part, c.file("targets/"+name+".json"))
}
