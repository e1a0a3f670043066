package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// chartDecides are the fields, or what they begin with, that follow from how the chart
// runs the program; its values take all others below config.
var chartDecides = []string{
	"client.", "kubernetes.", "metrics_address", "predictor.cache_dir", "prometheus.cluster", "recommender.disabled",
	"recommender.election.identity", "recommender.election.name", "recommender.election.namespace", "scheduler.disabled",
	"scheduler.election.identity", "scheduler.election.name", "scheduler.election.namespace", "scheduler.webhook.", "server.", "store.path",
}

// TestChartSchema holds what the chart's schema allows below config to the fields that
// there are.
func TestChartSchema(t *testing.T) {
	text, err := os.ReadFile("../../deploy/chart/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema property
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	got := schema.Properties["config"].leaves("")
	fields := map[string]setting{}
	settings(reflect.TypeFor[Config](), nil, "", fields)
	var want []string
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		prefix := func(p string) bool { return field == p || strings.HasSuffix(p, ".") && strings.HasPrefix(field, p) }
		if !slices.ContainsFunc(chartDecides, prefix) {
			want = append(want, field)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values.schema.json does not have the fields of the configuration below config (-program +schema):\n%s", diff)
	}
}

// A property is what matters here of a JSON schema.
type property struct {
	Properties map[string]property `json:"properties"`
}

func (p property) leaves(path string) []string {
	if p.Properties == nil {
		return []string{path}
	}
	var all []string
	for name, inner := range p.Properties {
		all = append(all, inner.leaves(strings.TrimPrefix(path+"."+name, "."))...)
	}
	return all
}

// TestChartConfig: the program takes the configuration that the chart renders.
func TestChartConfig(t *testing.T) {
	plain, err := filepath.Glob("../../deploy/manifests/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	golden, err := filepath.Glob("../../deploy/testdata/*.golden.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(plain) == 0 || len(golden) == 0 {
		t.Fatalf("manifests %q, golden files %q", plain, golden)
	}
	for _, file := range append(plain, golden...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for doc := range strings.SplitSeq(string(text), "\n---\n") {
			var object struct {
				Kind string            `json:"kind"`
				Data map[string]string `json:"data"`
			}
			if err := yaml.Unmarshal([]byte(doc), &object); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if object.Kind != "ConfigMap" {
				continue
			}
			found = true
			config := filepath.Join(t.TempDir(), "runcast.yaml")
			if err := os.WriteFile(config, []byte(object.Data["runcast.yaml"]), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := loadConfig(config); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		if !found {
			t.Errorf("%s: no ConfigMap", file)
		}
	}
}
