//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"github.com/runcast/runcast/test/cluster"
)

// addOptionalTypes adds the types, of others, that the chart makes objects of where a
// cluster has them.
func (w *world) addOptionalTypes() {
	w.Helper()
	for module, files := range map[string][]string{
		"github.com/prometheus-operator/prometheus-operator@v0.85.0": {
			"example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
		},
		"github.com/cert-manager/cert-manager@v1.21.2": {
			"deploy/crds/cert-manager.io_certificates.yaml", "deploy/crds/cert-manager.io_issuers.yaml",
		},
	} {
		out, err := exec.CommandContext(w.ctx, "go", "mod", "download", "-json", module).Output()
		if err != nil {
			w.Fatalf("%s: %v\n%s%s", module, err, out, stderrOf(err))
		}
		var downloaded struct{ Dir string }
		if err := json.Unmarshal(out, &downloaded); err != nil {
			w.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(filepath.Join(downloaded.Dir, file))
			if err != nil {
				w.Fatal(err)
			}
			w.addTypes(string(text))
		}
	}
}

// fleets are a kind that is known to the cluster by its scale subresource alone.
const fleets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fleets.test.runcast.dev}
spec:
  group: test.runcast.dev
  names: {kind: Fleet, plural: fleets}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
      subresources:
        scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
`

// addFleet creates one with as many pods as the selector finds.
func (w *world) addFleet(name, selector string) {
	w.Helper()
	w.addTypes(fleets)
	client, err := dynamic.NewForConfig(w.RESTConfig(cluster.AdminToken))
	if err != nil {
		w.Fatal(err)
	}
	fleet := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "test.runcast.dev/v1", "kind": "Fleet", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"replicas": int64(2)}, "status": map[string]any{"replicas": int64(2), "selector": selector},
	}}
	fleetsOf := client.Resource(schema.GroupVersionResource{Group: "test.runcast.dev", Version: "v1", Resource: "fleets"}).Namespace("default")
	w.poll("a "+name, 20*time.Second, func() error {
		_, err := fleetsOf.Create(w.ctx, fleet, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
}

// addTypes adds the CustomResourceDefinitions of a YAML file, and waits until they are served.
func (w *world) addTypes(text string) {
	w.Helper()
	client, err := dynamic.NewForConfig(w.RESTConfig(cluster.AdminToken))
	if err != nil {
		w.Fatal(err)
	}
	crds := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	for docs := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		var crd unstructured.Unstructured
		if err := docs.Decode(&crd); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			w.Fatal(err)
		}
		if _, err := crds.Create(w.ctx, &crd, metav1.CreateOptions{}); err != nil {
			w.Fatal(err)
		}
		w.poll("the type "+crd.GetName(), 20*time.Second, func() error {
			made, err := crds.Get(w.ctx, crd.GetName(), metav1.GetOptions{})
			if err != nil {
				return err
			}
			conditions, _, err := unstructured.NestedSlice(made.Object, "status", "conditions")
			for _, c := range conditions {
				if c, ok := c.(map[string]any); ok && c["type"] == "Established" && c["status"] == "True" {
					return err
				}
			}
			return errors.Join(errors.New("not established"), err)
		})
	}
}
