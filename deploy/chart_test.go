//go:build chart

// Package deploy checks the chart: that it renders what it did, refuses what it should, and is documented. It needs
// helm, which it builds the first time.
package deploy

import (
	"bytes"
	"encoding/base64"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runcast/runcast/test/cluster"
)

var update = flag.Bool("update", false, "write the manifests, the golden files and the table of values")

// A rendering is one way to install the chart.
type rendering struct {
	name   string
	values string   // a file in testdata, or none
	args   []string // of helm template, beside the values
	golden string   // where the result is kept
}

var renderings = []rendering{
	{"as it comes beside kube-prometheus-stack", "", []string{"--api-versions=monitoring.coreos.com/v1", "--api-versions=autoscaling.k8s.io/v1"}, "testdata/default.golden.yaml"},
	{"plain manifests", "testdata/manifests.values.yaml", nil, "manifests/distributed.yaml"},
	{"plain manifests of one pod", "testdata/up.values.yaml", nil, "manifests/up.yaml"},
	{"everything set", "testdata/full.values.yaml", nil, "testdata/full.golden.yaml"},
	{"predictions only", "testdata/predictions.values.yaml", nil, "testdata/predictions.golden.yaml"},
}

// helm runs helm and returns what it prints on stdout and stderr.
func helm(t *testing.T, args ...string) (string, string, error) {
	t.Helper()
	binaries, err := cluster.Tools(t.Context(), slog.New(slog.NewTextHandler(os.Stderr, nil)), "helm")
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binaries["helm"], args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir()) // nobody's plugins, nobody's cluster
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), err
}

func template(t *testing.T, args ...string) (string, string, error) {
	t.Helper()
	return helm(t, append([]string{"template", "runcast", "chart", "--namespace=runcast", "--kube-version=1.37.2"}, args...)...)
}

func (r rendering) arguments() []string {
	if r.values == "" {
		return r.args
	}
	return append([]string{"--values=" + r.values}, r.args...)
}

func TestLint(t *testing.T) {
	for _, r := range renderings {
		args := []string{"lint", "--strict", "--quiet", "chart"}
		if r.values != "" {
			args = append(args, "--values="+r.values)
		}
		if out, text, err := helm(t, args...); err != nil {
			t.Errorf("%s: %v\n%s%s", r.name, err, out, text)
		}
	}
}

// TestRenders holds the renderings to the files. Certificates are new each time.
func TestRenders(t *testing.T) {
	for _, r := range renderings {
		t.Run(r.name, func(t *testing.T) {
			got, text, err := template(t, r.arguments()...)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			got = withoutDashboards(t, withoutCertificates(t, got))
			if *update {
				if err := os.WriteFile(r.golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(r.golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s is not what the chart renders; look at the difference, then run make generate (-want +got):\n%s", r.golden, diff)
			}
		})
	}
}

var certificates = regexp.MustCompile(`(caBundle|ca\.crt|tls\.crt|tls\.key): (LS0t[A-Za-z0-9+/=]+)`)

// withoutCertificates replaces what is random. The authority is the same wherever it is.
func withoutCertificates(t *testing.T, text string) string {
	t.Helper()
	var authority string
	for _, m := range certificates.FindAllStringSubmatch(text, -1) {
		if _, err := base64.StdEncoding.DecodeString(m[2]); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
		if m[1] == "tls.crt" || m[1] == "tls.key" {
			continue
		}
		if authority != "" && m[2] != authority {
			t.Errorf("%s is of another authority", m[1])
		}
		authority = m[2]
	}
	return certificates.ReplaceAllString(text, "$1: MADE")
}

var dashboard = regexp.MustCompile(`(?m)^  runcast-([a-z]+\.json): \|\n((?:    .*\n)+)`)

// withoutDashboards leaves out the dashboards, which are the files of the chart.
func withoutDashboards(t *testing.T, text string) string {
	t.Helper()
	return dashboard.ReplaceAllStringFunc(text, func(found string) string {
		m := dashboard.FindStringSubmatch(found)
		want, err := os.ReadFile("chart/dashboards/" + m[1])
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(m[2], "\n    ", "\n")[4:]; got != string(want) {
			t.Errorf("dashboard %s is not the file", m[1])
		}
		return "  runcast-" + m[1] + ": A DASHBOARD\n"
	})
}

// TestBadValues: each mistake gets one clear sentence.
func TestBadValues(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  []string
		want string
	}{
		{"unknown key", []string{"colector.resources=null"}, "additional properties 'colector' not allowed"},
		{"unknown key below another", []string{"predictor.replica=3"}, "at '/predictor': additional properties 'replica' not allowed"},
		{"a field that the chart decides", []string{"config.server.listen=:1"}, "at '/config': additional properties 'server' not allowed"},
		{"unknown mode", []string{"mode=both"}, "at '/mode': value must be one of 'distributed', 'up'"},
		{"no replica", []string{"predictor.replicas=0"}, "at '/predictor/replicas': minimum: got 0, want 1"},
		{"a number without its unit", []string{"config.collector.lag=60"}, "at '/config/collector/lag': got number, want string"},
		{"a wrong unit", []string{"config.train.every=6 hours"}, "at '/config/train/every': '6 hours' does not match pattern"},
		{"not a URL", []string{"config.prometheus.url=prometheus:9090"}, "at '/config/prometheus/url': 'prometheus:9090' does not match pattern"},
		{"no URL", []string{"config.prometheus.url="}, "config.prometheus.url is empty: give Prometheus' URL, or set config.prometheus=null to learn from Kubernetes alone"},
		{"two certificates", []string{"tls.existingSecret=s", "tls.certManager.enabled=true"}, "tls.existingSecret and tls.certManager.enabled exclude each other"},
		{"a certificate nobody trusts", []string{"tls.existingSecret=s"}, "tls.caBundle is not set"},
		{"an authority without certificate", []string{"tls.caBundle=x"}, "tls.caBundle is for tls.existingSecret, which is not set"},
		{"an issuer without cert-manager", []string{"tls.certManager.issuerRef.name=ca"}, "tls.certManager.issuerRef is set, but tls.certManager.enabled is false"},
		{"class of a claim that exists", []string{"store.existingClaim=c", "store.storageClass=fast"}, "store.storageClass has no effect on store.existingClaim"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var args []string
			for _, s := range tt.set {
				args = append(args, "--set="+s)
			}
			_, text, err := template(t, args...)
			if err == nil || !strings.Contains(text, tt.want) {
				t.Errorf("%v, %s; want %q", err, text, tt.want)
			}
			if n := strings.Count(strings.TrimSpace(text), "\n"); n > 3 {
				t.Errorf("the error has %d lines:\n%s", n+1, text)
			}
		})
	}
}

// TestEachFileIsRendered: no golden file is left of a rendering that is gone.
func TestEachFileIsRendered(t *testing.T) {
	known := map[string]bool{}
	for _, r := range renderings {
		known[r.golden], known[r.values] = true, true
	}
	for _, pattern := range []string{"manifests/*", "testdata/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !known[f] {
				t.Errorf("%s: nothing renders it", f)
			}
		}
	}
}
