package cluster

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// scrapeInterval of the cluster's Prometheus.
const scrapeInterval = "2s"

// portNames are the ports to be found; the exporter finds its own.
var portNames = []string{"etcd", "etcd-peer", "apiserver", "controller-manager", "scheduler", "kwok", "ksm", "ksm-self", "prometheus"}

// controllers are those that a cluster of jobs, and of some services, needs.
var controllers = []string{
	"job-controller", "cronjob-controller", "ttl-after-finished-controller", "deployment-controller", "replicaset-controller",
	"garbage-collector-controller", "pod-garbage-collector-controller", "namespace-controller", "serviceaccount-controller",
	"node-lifecycle-controller", "taint-eviction-controller", "clusterrole-aggregation-controller",
}

//go:embed kwok/stages.yaml
var stages []byte

// table lists the programs in waves: those of one need those of the waves before it.
func (c *Cluster) table(programs Binaries) [][]*process {
	port := func(name string) string { return fmt.Sprint(c.ports[name]) }
	kubeconfig := "--kubeconfig=" + c.Kubeconfig()
	const loopback = "127.0.0.1"
	return [][]*process{{
		{name: "etcd", path: programs["etcd"], ready: "http://" + c.address("etcd") + "/readyz", args: []string{
			"--data-dir=" + c.file("data/etcd"), "--unsafe-no-fsync", // a test's data need not survive the machine
			"--listen-client-urls=http://" + c.address("etcd"), "--advertise-client-urls=http://" + c.address("etcd"),
			"--listen-peer-urls=http://" + c.address("etcd-peer"), "--initial-advertise-peer-urls=http://" + c.address("etcd-peer"),
			"--initial-cluster=default=http://" + c.address("etcd-peer"), "--log-level=warn"}},
	}, {
		{name: "kube-apiserver", path: programs["kube-apiserver"], ready: "https://" + c.address("apiserver") + "/readyz", args: []string{
			"--etcd-servers=http://" + c.address("etcd"), "--secure-port=" + port("apiserver"), "--bind-address=" + loopback, "--cert-dir=" + c.file("apiserver-certs"),
			"--service-account-key-file=" + c.file("sa.pub"), "--service-account-signing-key-file=" + c.file("sa.key"), "--service-account-issuer=https://kubernetes.default.svc",
			"--token-auth-file=" + c.file("tokens.csv"), "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24", "--endpoint-reconciler-type=none",
			"--disable-admission-plugins=ServiceAccount", "--max-requests-inflight=0", "--max-mutating-requests-inflight=0", "--enable-priority-and-fairness=false"}},
	}, {
		{name: "kube-controller-manager", path: programs["kube-controller-manager"], ready: "https://" + c.address("controller-manager") + "/healthz", args: []string{
			kubeconfig, "--leader-elect=false", "--bind-address=" + loopback, "--secure-port=" + port("controller-manager"), "--cert-dir=" + c.file("controller-manager-certs"),
			"--service-account-private-key-file=" + c.file("sa.key"), "--kube-api-qps=500", "--kube-api-burst=1000", "--concurrent-job-syncs=10",
			"--controllers=" + strings.Join(controllers, ",")}},
		{name: "kube-scheduler", path: programs["kube-scheduler"], ready: "https://" + c.address("scheduler") + "/healthz", args: []string{
			"--config=" + c.file("scheduler.yaml"), "--bind-address=" + loopback, "--secure-port=" + port("scheduler"), "--cert-dir=" + c.file("scheduler-certs")}},
		{name: "kwok", path: programs["kwok"], ready: "http://" + c.address("kwok") + "/healthz", args: []string{
			kubeconfig, "--manage-all-nodes=true", "--config=" + c.file("stages.yaml"), "--server-address=" + c.address("kwok"), "--node-lease-duration-seconds=40"},
			before: c.releaseNodes},
		{name: "kube-state-metrics", path: programs["kube-state-metrics"], ready: "http://" + c.address("ksm-self") + "/readyz", args: []string{
			kubeconfig, "--host=" + loopback, "--port=" + port("ksm"), "--telemetry-host=" + loopback, "--telemetry-port=" + port("ksm-self"),
			"--resources=jobs,pods,nodes,cronjobs,replicasets", "--metric-labels-allowlist=jobs=[*],pods=[*],nodes=[*]"}},
		{name: "prometheus", path: programs["prometheus"], ready: c.PrometheusURL() + "/-/ready", args: []string{
			"--config.file=" + c.file("prometheus.yml"), "--storage.tsdb.path=" + c.file("data/prometheus"), "--web.listen-address=" + c.address("prometheus")}},
	}}
}

// releaseNodes ends the hold of a kwok that was killed on its nodes: the next one, being another to it, would
// leave them alone until the leases run out.
func (c *Cluster) releaseNodes(ctx context.Context) error {
	leases := c.Client().CoordinationV1().Leases(corev1.NamespaceNodeLease)
	return leases.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
}

// writeFiles writes what the programs read.
func (c *Cluster) writeFiles(tokens map[string]string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	files := map[string]string{
		"sa.key":         string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		"sa.pub":         string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"tokens.csv":     tokensCSV(tokens),
		"stages.yaml":    string(stages),
		"scheduler.yaml": c.render(schedulerConfig),
		"prometheus.yml": c.render(prometheusConfig),

		"admin.kubeconfig": c.render(kubeconfig, "$TOKEN", AdminToken),
	}
	for token, user := range tokens {
		files[user+".kubeconfig"] = c.render(kubeconfig, "$TOKEN", token)
	}
	if err := os.MkdirAll(c.file("targets"), 0o700); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(c.file(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// tokensCSV lists the users for the API server: token,name,uid,"groups".
func tokensCSV(tokens map[string]string) string {
	csv := fmt.Sprintf("%s,admin,admin,system:masters\n", AdminToken)
	for token, user := range tokens {
		csv += fmt.Sprintf("%s,%s,%s,%q\n", token, user, user, groups(user))
	}
	return csv
}

// groups are those that a service account is in, none for anybody else.
func groups(user string) string {
	account, ok := strings.CutPrefix(user, "system:serviceaccount:")
	if !ok {
		return ""
	}
	namespace, _, _ := strings.Cut(account, ":")
	return "system:serviceaccounts,system:serviceaccounts:" + namespace
}

// render fills in the addresses, and what else is given in pairs.
func (c *Cluster) render(template string, pairs ...string) string {
	pairs = append(pairs, "$INTERVAL", scrapeInterval, "$KUBECONFIG", c.Kubeconfig(), "$TARGETS", c.file("targets"))
	for name := range c.ports {
		pairs = append(pairs, "$<"+name+">", c.address(name))
	}
	return strings.NewReplacer(pairs...).Replace(template)
}

const kubeconfig = `apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "https://$<apiserver>", insecure-skip-tls-verify: true}}]
users: [{name: user, user: {token: "$TOKEN"}}]
contexts: [{name: test, context: {cluster: test, user: user}}]
`

// The default of 50 queries a second, not the scheduler, would be what is measured.
const schedulerConfig = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {leaderElect: false}
clientConnection: {kubeconfig: "$KUBECONFIG", qps: 500, burst: 1000}
`

// As kube-prometheus-stack scrapes: labels honoured for kube-state-metrics and the kubelet, not for
// dcgm-exporter, whose pods then arrive as exported_pod. What Scrape adds is as a PodMonitor's.
const prometheusConfig = `global: {scrape_interval: $INTERVAL}
scrape_configs:
  - job_name: kube-state-metrics
    honor_labels: true
    static_configs: [{targets: ["$<ksm>"]}]
  - job_name: kubelet
    honor_labels: true
    metrics_path: /metrics/cadvisor
    static_configs: [{targets: ["$<exporter>"]}]
  - job_name: kubelet-volumes
    honor_labels: true
    static_configs: [{targets: ["$<exporter>"]}]
  - job_name: dcgm-exporter
    metrics_path: /metrics/dcgm
    static_configs: [{targets: ["$<exporter>"], labels: {namespace: gpu-operator, pod: dcgm-exporter-0, container: dcgm-exporter}}]
  - job_name: pods
    file_sd_configs: [{files: ["$TARGETS/*.json"]}]
`
