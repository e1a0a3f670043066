package promql

// A need is a metric that queries read.
type need struct {
	exporter Exporter
	metric   string
	level    Level  // of its absence
	without  string // what its absence costs: "without it …"
	fix      string
}

const (
	fixKSM      = "Scrape kube-state-metrics with the resources jobs, pods and nodes, and see that neither --metric-denylist nor metric_relabel_configs drop it."
	fixKubelet  = "Scrape the kubelets' /metrics/cadvisor, and see that metric_relabel_configs keep it."
	fixFailures = "Nothing, if no job failed in the last day; else scrape kube-state-metrics and keep it."
	fixSuccess  = "Nothing, if no job succeeded in the last day; else scrape kube-state-metrics and keep it."
	fixKilled   = "Nothing, if no container was killed for memory in the last day; else see that --metric-denylist keeps it."
	fixDCGM     = "Run dcgm-exporter with DCGM_EXPORTER_KUBERNETES=true and scrape it, or set labels.gpu: none if there are no GPUs."
	fixMIG      = "Nothing, if no GPU is divided; else have DCGM_FI_PROF_GR_ENGINE_ACTIVE in dcgm-exporter's list of metrics."
	fixLabels   = "Start kube-state-metrics with --metric-labels-allowlist=jobs=[runcast.dev/queue-name]."
	fixNotes    = "Start kube-state-metrics with --metric-annotations-allowlist=jobs=[runcast.dev/user,runcast.dev/job-family,runcast.dev/expected-runtime]."
)

// needGPU is the metric that every GPU has.
const needGPU = "DCGM_FI_DEV_FB_USED"

// needs are in the order in which they matter.
var needs = []need{
	{CAdvisor, "container_memory_working_set_bytes", Failed, "no usage is measured", fixKubelet},
	{CAdvisor, "container_cpu_usage_seconds_total", Warning, "CPU seconds and peak cores are not known", fixKubelet},
	{CAdvisor, "container_memory_max_usage_bytes", Warning, "peaks of memory between scrapes are missed", fixKubelet},
	{CAdvisor, "container_memory_cache", Warning, "the kernel's high-water mark cannot be told from page cache", fixKubelet},
	{KubeStateMetrics, "kube_job_created", Failed, "no job of the past is found", fixKSM},
	{KubeStateMetrics, "kube_job_status_start_time", Warning, "waiting cannot be told from running", fixKSM},
	{KubeStateMetrics, "kube_job_status_completion_time", Warning, "no success of the past is found", fixSuccess},
	{KubeStateMetrics, "kube_job_failed", Warning, "no failure of the past is found", fixFailures},
	{KubeStateMetrics, "kube_job_owner", Warning, "runs of one CronJob are not known as such", fixKSM},
	{KubeStateMetrics, "kube_job_spec_parallelism", Warning, "gangs count as single pods", fixKSM},
	{KubeStateMetrics, "kube_pod_owner", Failed, "the pods of jobs of the past are not found, and so neither is what they used", fixKSM},
	{KubeStateMetrics, "kube_pod_created", Warning, "pods of jobs of the same name are mixed up", fixKSM},
	{KubeStateMetrics, "kube_pod_start_time", Warning, "time spent waiting for a node counts as runtime", fixKSM},
	{KubeStateMetrics, "kube_pod_completion_time", Warning, "the end of failed jobs is known to a scrape only", fixKSM},
	{KubeStateMetrics, "kube_pod_info", Warning, "nodes are not known", fixKSM},
	{KubeStateMetrics, "kube_pod_container_info", Warning, "images are not known", fixKSM},
	{KubeStateMetrics, "kube_pod_container_resource_requests", Warning, "requests are not known", fixKSM},
	{KubeStateMetrics, "kube_pod_container_status_terminated_reason", Warning, "kills for memory under restartPolicy Never are taken for other failures", fixKSM},
	{KubeStateMetrics, "kube_pod_container_status_last_terminated_reason", Warning, "kills for memory before a restart are not known", fixKilled},
	{KubeStateMetrics, "kube_job_labels", Warning, "queues are not known", fixLabels},
	{KubeStateMetrics, "kube_job_annotations", Warning, "users, families and expected runtimes are not known", fixNotes},
	{DCGM, needGPU, Warning, "nothing is known of GPUs", fixDCGM},
	{DCGM, "DCGM_FI_DEV_GPU_UTIL", Warning, "the utilization of whole GPUs is not known", fixDCGM},
	{DCGM, "DCGM_FI_PROF_GR_ENGINE_ACTIVE", Warning, "the utilization of parts of GPUs (MIG) is not known", fixMIG},
}

// An allowance is a label that kube-state-metrics has only if it is told to.
type allowance struct {
	metric, label string
	without, fix  string
}

var allowed = []allowance{
	{"kube_job_labels", "label_runcast_dev_queue_name", "queues are not known", fixLabels},
}
