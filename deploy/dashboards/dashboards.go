// Package dashboards is Runcast's dashboards as code: what each shows, and by which
// query. Its test writes them, as Grafana reads them, into the chart.
package dashboards

// A Dashboard is a page of panels, laid out from left to right in lines.
type Dashboard struct {
	Name        string // of the file, and in the address
	Title       string
	Description string
	Panels      []Panel
}

// A Panel answers one question.
type Panel struct {
	Title       string
	Description string // what is good, and where to look if it is not
	Kind        Kind
	Unit        string // Grafana's
	Queries     []Query
	Steps       []Step // colours of a Stat, lines in a graph
}

// A Kind is how a panel is drawn.
type Kind int

// A Stat is one number now, Lines and Stacked are graphs over time.
const (
	Lines Kind = iota
	Stacked
	Stat
)

// A Query is one in PromQL. It may use Grafana's $__rate_interval and $__range, and the
// variables $queue and $window.
type Query struct {
	Expr   string
	Legend string
}

// A Step is the colour from a value on; without one, of what is below all others.
type Step struct {
	From  *float64
	Color string
}

// Units, as Grafana calls them.
const (
	Count   = "short"
	Share   = "percentunit"
	Seconds = "s"
	Bytes   = "bytes"
	PerMin  = "suffix: /min"
	PerSec  = "suffix: /s"
)

// All returns the dashboards.
func All() []Dashboard {
	return []Dashboard{overview(), accuracy(), queue(), collector(), gpus()}
}

func from(value float64, color string) Step { return Step{&value, color} }
func below(color string) Step               { return Step{nil, color} }

// covered is the share of predictions that held over a window, by quantile.
func covered(target, window string) string {
	return `sum by (level) (increase(runcast_served_runs_within_total{target="` + target + `",queue=~"$queue"}[` + window + `]))
  / ignoring (level) group_left sum(increase(runcast_served_runs_total{target="` + target + `",queue=~"$queue"}[` + window + `]))`
}

// foretold is the share of starts, or of ends, that came by what was foretold of them, by
// quantile.
func foretold(of string) string {
	return `sum by (level) (increase(runcast_scheduler_etas_within_total{of="` + of + `",queue=~"$queue"}[$window]))
  / ignoring (level) group_left sum(increase(runcast_scheduler_etas_total{of="` + of + `",queue=~"$queue"}[$window]))`
}

// withinTwo is the share of what came that was within a factor of two of its p50.
func withinTwo(target string) string {
	selector := `target="` + target + `",queue=~"$queue"`
	return `(sum(increase(runcast_served_ratio_bucket{` + selector + `,le=~"2(\\.0)?"}[$window])) - sum(increase(runcast_served_ratio_bucket{` + selector + `,le="0.5"}[$window])))
  / sum(increase(runcast_served_ratio_count{` + selector + `}[$window]))`
}

func overview() Dashboard {
	return Dashboard{
		Name: "overview", Title: "Overview", Description: "How jobs fare, and what Runcast saves.",
		Panels: []Panel{
			{
				Title: "Jobs waiting", Kind: Stat, Unit: Count,
				Queries: []Query{{`sum(max by (queue) (runcast_scheduler_pending_jobs{queue=~"$queue"}))`, "waiting"}},
			},
			{
				Title: "Jobs ended", Description: "In the time shown.", Kind: Stat, Unit: Count,
				Queries: []Query{{`sum(increase(runcast_finished_jobs_total{queue=~"$queue"}[$__range]))`, "ended"}},
			},
			{
				Title: "Median wait", Description: "From submission to start, of what succeeded.", Kind: Stat, Unit: Seconds,
				Queries: []Query{{`histogram_quantile(0.5, sum by (le) (increase(runcast_finished_wait_seconds_bucket{queue=~"$queue"}[$__range])))`, "p50"}},
			},
			{
				Title: "Runtimes within their p90", Description: "90 % is right. Below 80 %, plans and reservations rest on too little, far above it on too much: see Accuracy.",
				Kind: Stat, Unit: Share, Steps: []Step{below("red"), from(0.8, "orange"), from(0.86, "green"), from(0.96, "blue")},
				Queries: []Query{{`sum(increase(runcast_served_runs_within_total{target="runtime",level="p90",queue=~"$queue"}[$__range]))
  / sum(increase(runcast_served_runs_total{target="runtime",queue=~"$queue"}[$__range]))`, "covered"}},
			},
			{
				Title: "Memory asked for, not used", Description: "Of measured jobs. runcast.dev/right-size: apply gives it back.",
				Kind: Stat, Unit: Share, Steps: []Step{below("green"), from(0.3, "orange"), from(0.6, "red")},
				Queries: []Query{{`1 - sum(increase(runcast_finished_memory_byte_seconds_total{of="used",queue=~"$queue"}[$__range]))
  / sum(increase(runcast_finished_memory_byte_seconds_total{of="requested",queue=~"$queue"}[$__range]))`, "unused"}},
			},
			{
				Title: "Age of the model", Description: "Trained by the CronJob; an old one may still be the best.", Kind: Stat, Unit: Seconds,
				Steps:   []Step{below("green"), from(3*86400, "orange")},
				Queries: []Query{{`time() - max(runcast_model_created_timestamp_seconds > 0)`, "age"}},
			},
			{
				Title: "Jobs waiting, by queue", Kind: Stacked, Unit: Count,
				Queries: []Query{{`max by (queue) (runcast_scheduler_pending_jobs{queue=~"$queue"})`, "{{queue}}"}},
			},
			{
				Title: "Jobs that ended, by outcome", Kind: Stacked, Unit: PerMin,
				Queries: []Query{{`60 * sum by (outcome) (rate(runcast_finished_jobs_total{queue=~"$queue"}[$__rate_interval]))`, "{{outcome}}"}},
			},
			{
				Title: "Wait, over the last $window", Description: "From submission to start, of what succeeded.", Kind: Lines, Unit: Seconds,
				Queries: []Query{
					{`histogram_quantile(0.5, sum by (le) (increase(runcast_finished_wait_seconds_bucket{queue=~"$queue"}[$window])))`, "p50"},
					{`histogram_quantile(0.95, sum by (le) (increase(runcast_finished_wait_seconds_bucket{queue=~"$queue"}[$window])))`, "p95"},
				},
			},
			{
				Title: "Bounded slowdown, over the last $window", Description: "(Wait + runtime) / runtime, the mean; 1 is no wait at all.", Kind: Lines, Unit: Count,
				Queries: []Query{{`sum by (queue) (increase(runcast_finished_bounded_slowdown_sum{queue=~"$queue"}[$window]))
  / sum by (queue) (increase(runcast_finished_bounded_slowdown_count{queue=~"$queue"}[$window]))`, "{{queue}}"}},
			},
			{
				Title: "Memory of jobs that ended, over the last $window", Description: "On average over time: what they had asked for, and their peaks.", Kind: Lines, Unit: Bytes,
				Queries: []Query{{`sum by (of) (rate(runcast_finished_memory_byte_seconds_total{queue=~"$queue"}[$window]))`, "{{of}}"}},
			},
			{
				Title: "Memory of right-sized jobs, over the last $window", Description: "The sum of what their users asked for, and of what they were released with.", Kind: Lines, Unit: Bytes,
				Queries: []Query{{`sum by (request) (increase(runcast_scheduler_resized_memory_bytes_total[$window]))`, "{{request}}"}},
			},
		},
	}
}

func accuracy() Dashboard {
	return Dashboard{
		Name: "accuracy", Title: "Accuracy", Description: "What jobs were predicted at submission, against what came.",
		Panels: []Panel{
			{
				Title: "Runtimes within their quantiles, over the last $window", Description: "The p50 is to cover half of the runs, the p90 nine in ten.",
				Kind: Lines, Unit: Share, Steps: []Step{from(0.5, "blue"), from(0.9, "blue")},
				Queries: []Query{{covered("runtime", "$window"), "{{level}}"}},
			},
			{
				Title: "Memory peaks within their quantiles, over the last $window", Description: "As for runtimes.",
				Kind: Lines, Unit: Share, Steps: []Step{from(0.5, "blue"), from(0.9, "blue")},
				Queries: []Query{{covered("memory", "$window"), "{{level}}"}},
			},
			{
				Title: "Within a factor of two of the p50, over the last $window", Kind: Lines, Unit: Share,
				Queries: []Query{{withinTwo("runtime"), "runtime"}, {withinTwo("memory"), "memory"}},
			},
			{
				Title: "Mean absolute error of runtimes, by queue, over the last $window", Description: "Of the p50. Compare it with how long jobs run.", Kind: Lines, Unit: Seconds,
				Queries: []Query{{`sum by (queue) (increase(runcast_served_runtime_error_seconds_total{queue=~"$queue"}[$window]))
  / sum by (queue) (increase(runcast_served_runs_total{target="runtime",queue=~"$queue"}[$window]))`, "{{queue}}"}},
			},
			{
				Title:       "Relative error of runtimes, of the ten worst families, over the last $window",
				Description: "Of the p50: 0.1 is a tenth of how long they ran. A family is what runcast.dev/job-family says, or the CronJob.", Kind: Lines, Unit: Count,
				Queries: []Query{{`topk(10, sum by (family) (increase(runcast_served_family_runtime_error_seconds_total[$window]))
  / sum by (family) (increase(runcast_served_family_runtime_seconds_total[$window])))`, "{{family}}"}},
			},
			{
				Title: "Jobs that ended with a prediction, over the last $window", Description: "Of those that succeeded. The others were submitted while there was no model.",
				Kind: Lines, Unit: Share,
				Queries: []Query{{`sum(increase(runcast_served_runs_total{target="runtime",queue=~"$queue"}[$window]))
  / sum(increase(runcast_finished_jobs_total{outcome="succeeded",queue=~"$queue"}[$window]))`, "predicted"}},
			},
			{
				Title: "What waiting jobs are planned with", Description: "model is best; none is order of submission.", Kind: Stacked, Unit: Count,
				Queries: []Query{{`max by (from) (runcast_scheduler_pending_runtimes)`, "{{from}}"}},
			},
			{
				Title: "Backtest of the model in service", Description: "Pinball loss on the newest part of the history, before the model had seen it.", Kind: Lines, Unit: Seconds,
				Queries: []Query{{`max by (level) (runcast_model_pinball_loss_seconds)`, "{{level}}"}},
			},
			{
				Title: "Records the model was trained on", Kind: Lines, Unit: Count,
				Queries: []Query{{`max(runcast_model_records)`, "records"}},
			},
		},
	}
}

func queue() Dashboard {
	return Dashboard{
		Name: "queue", Title: "Queue, ETA and schedule", Description: "What waits, until when, and whether the scheduler turns.",
		Panels: []Panel{
			{
				Title: "Leader", Description: "One replica acts.", Kind: Stat, Unit: Count, Steps: []Step{below("red"), from(1, "green"), from(2, "red")},
				Queries: []Query{{`sum(runcast_scheduler_leading)`, "leaders"}},
			},
			{
				Title: "Since the last plan", Kind: Stat, Unit: Seconds, Steps: []Step{below("green"), from(60, "red")},
				Queries: []Query{{`time() - max(runcast_scheduler_last_plan_timestamp_seconds)`, "age"}},
			},
			{
				Title: "Jobs waiting", Kind: Stat, Unit: Count,
				Queries: []Query{{`sum(max by (queue) (runcast_scheduler_pending_jobs{queue=~"$queue"}))`, "waiting"}},
			},
			{
				Title: "Time to plan, p99", Kind: Stat, Unit: Seconds, Steps: []Step{below("green"), from(1, "orange"), from(5, "red")},
				Queries: []Query{{`histogram_quantile(0.99, sum by (le) (increase(runcast_scheduler_plan_duration_seconds_bucket[$__range])))`, "p99"}},
			},
			{
				Title: "Failed writes to the API", Kind: Stat, Unit: Count, Steps: []Step{below("green"), from(1, "orange")},
				Queries: []Query{{`sum(increase(runcast_scheduler_api_errors_total[$__range]))`, "errors"}},
			},
			{
				Title: "Predictor unanswered", Kind: Stat, Unit: Count, Steps: []Step{below("green"), from(1, "orange")},
				Queries: []Query{{`sum(increase(runcast_scheduler_predictor_errors_total[$__range]))`, "errors"}},
			},
			{
				Title: "Jobs waiting, by queue", Kind: Stacked, Unit: Count,
				Queries: []Query{{`max by (queue) (runcast_scheduler_pending_jobs{queue=~"$queue"})`, "{{queue}}"}},
			},
			{
				Title: "Releases", Description: "Backfilled jobs start ahead of their turn without delaying what is reserved.", Kind: Stacked, Unit: PerMin,
				Queries: []Query{{`60 * sum by (verdict) (rate(runcast_scheduler_releases_total[$__rate_interval]))`, "{{verdict}}"}},
			},
			{
				Title: "Wait, p95 by queue, over the last $window", Kind: Lines, Unit: Seconds,
				Queries: []Query{{`histogram_quantile(0.95, sum by (le, queue) (increase(runcast_finished_wait_seconds_bucket{queue=~"$queue"}[$window])))`, "{{queue}}"}},
			},
			{
				Title: "Starts that came by their ETA, over the last $window", Description: "Of jobs that had to wait, against what was foretold first. The p50 is to hold for half of them, the p90 for nine in ten.",
				Kind: Lines, Unit: Share, Steps: []Step{from(0.5, "blue"), from(0.9, "blue")},
				Queries: []Query{{foretold("start"), "{{level}}"}},
			},
			{
				Title: "Ends that came by their ETA, over the last $window", Description: "As for starts.",
				Kind: Lines, Unit: Share, Steps: []Step{from(0.5, "blue"), from(0.9, "blue")},
				Queries: []Query{{foretold("end"), "{{level}}"}},
			},
			{
				Title: "Mean error of ETAs, by queue, over the last $window", Description: "Of the p50 that was foretold first. Compare it with how long jobs wait.", Kind: Lines, Unit: Seconds,
				Queries: []Query{{`sum by (queue, of) (increase(runcast_scheduler_eta_error_seconds_total{queue=~"$queue"}[$window]))
  / sum by (queue, of) (increase(runcast_scheduler_etas_total{queue=~"$queue"}[$window]))`, "{{queue}}: {{of}}"}},
			},
			{
				Title: "Time to plan", Kind: Lines, Unit: Seconds,
				Queries: []Query{
					{`histogram_quantile(0.5, sum by (le) (rate(runcast_scheduler_plan_duration_seconds_bucket[$__rate_interval])))`, "p50"},
					{`histogram_quantile(0.99, sum by (le) (rate(runcast_scheduler_plan_duration_seconds_bucket[$__rate_interval])))`, "p99"},
				},
			},
		},
	}
}

func collector() Dashboard {
	return Dashboard{
		Name: "collector", Title: "Collector, store and servers", Description: "Whether history keeps coming in, and estimates keep going out.",
		Panels: []Panel{
			{
				Title: "History is behind by", Description: "How far Prometheus has not been read yet.", Kind: Stat, Unit: Seconds, Steps: []Step{below("green"), from(3600, "red")},
				Queries: []Query{{`time() - max(runcast_collector_history_watermark_timestamp_seconds > 0)`, "behind"}},
			},
			{
				Title: "Size of the store", Kind: Stat, Unit: Bytes,
				Queries: []Query{{`max(runcast_store_size_bytes)`, "size"}},
			},
			{
				Title: "Jobs watched", Kind: Stat, Unit: Count,
				Queries: []Query{{`max(runcast_collector_kube_jobs_watched)`, "jobs"}},
			},
			{
				Title: "Waiting for their usage", Kind: Stat, Unit: Count, Steps: []Step{below("green"), from(1000, "orange")},
				Queries: []Query{{`max(runcast_collector_usage_pending)`, "jobs"}},
			},
			{
				Title: "Predictors that follow", Description: "Of those that run.", Kind: Stat, Unit: Share, Steps: []Step{below("red"), from(1, "green")},
				Queries: []Query{{`avg(runcast_predictor_following)`, "following"}},
			},
			{
				Title: "Calls that were refused", Description: "No or a wrong token, no permission, or no certificate that is trusted.", Kind: Stat, Unit: Count, Steps: []Step{below("green"), from(1, "orange")},
				Queries: []Query{{`(sum(increase(runcast_rpc_requests_total{code=~"Unauthenticated|PermissionDenied"}[$__range])) or sum(runcast_rpc_requests_total) * 0)
  + sum(increase(runcast_rpc_failed_handshakes_total[$__range]))`, "refused"}},
			},
			{
				Title: "Records stored", Kind: Stacked, Unit: PerMin,
				Queries: []Query{{`60 * sum by (stage) (rate(runcast_collector_records_stored_total[$__rate_interval]))`, "{{stage}}"}},
			},
			{
				Title: "Jobs by how well they were measured", Description: "exact: four samples or more; sparse: fewer; none: too short for a scrape.", Kind: Stacked, Unit: PerMin,
				Queries: []Query{{`60 * sum by (quality) (rate(runcast_collector_jobs_measured_total[$__rate_interval]))`, "{{quality}}"}},
			},
			{
				Title: "Queries to Prometheus", Kind: Stacked, Unit: PerMin,
				Queries: []Query{{`60 * sum by (result) (rate(runcast_promql_queries_total[$__rate_interval]))`, "{{result}}"}},
			},
			{
				Title: "Time until Prometheus answers, p95", Kind: Lines, Unit: Seconds,
				Queries: []Query{{`histogram_quantile(0.95, sum by (le) (rate(runcast_promql_query_duration_seconds_bucket[$__rate_interval])))`, "p95"}},
			},
			{
				Title: "gRPC calls, by status", Kind: Stacked, Unit: PerSec,
				Queries: []Query{{`sum by (code) (rate(runcast_rpc_requests_total[$__rate_interval]))`, "{{code}}"}},
			},
			{
				Title: "Time to answer, p99", Kind: Lines, Unit: Seconds,
				Queries: []Query{{`histogram_quantile(0.99, sum by (le, method) (rate(runcast_rpc_request_duration_seconds_bucket{method=~"Predictor.*|Queue.*"}[$__rate_interval])))`, "{{method}}"}},
			},
		},
	}
}

func gpus() Dashboard {
	return Dashboard{
		Name: "gpus", Title: "GPUs", Description: "How well the GPUs that jobs ask for are used.",
		Panels: []Panel{
			{
				Title: "GPU time that jobs used", Description: "Of what they held, by DCGM's utilization.", Kind: Stat, Unit: Share, Steps: []Step{below("red"), from(0.3, "orange"), from(0.6, "green")},
				Queries: []Query{{`sum(increase(runcast_finished_gpu_seconds_total{of="used",queue=~"$queue"}[$__range]))
  / sum(increase(runcast_finished_gpu_seconds_total{of="requested",queue=~"$queue"}[$__range]))`, "used"}},
			},
			{
				Title: "GPUs asked for", Description: "By pods that run.", Kind: Stat, Unit: Count,
				Queries: []Query{{`sum(kube_pod_container_resource_requests{resource="nvidia_com_gpu"} * on (namespace, pod) group_left () (max by (namespace, pod) (kube_pod_status_phase{phase="Running"}) == 1)) or sum(kube_node_status_allocatable{resource="nvidia_com_gpu"}) * 0`, "asked for"}},
			},
			{
				Title: "GPUs in the cluster", Kind: Stat, Unit: Count,
				Queries: []Query{{`sum(max by (node) (kube_node_status_allocatable{resource="nvidia_com_gpu"}))`, "allocatable"}},
			},
			{
				Title: "GPU time used, by queue, over the last $window", Description: "Of what jobs that ended had held.", Kind: Lines, Unit: Share,
				Queries: []Query{{`sum by (queue) (increase(runcast_finished_gpu_seconds_total{of="used",queue=~"$queue"}[$window]))
  / sum by (queue) (increase(runcast_finished_gpu_seconds_total{of="requested",queue=~"$queue"}[$window]))`, "{{queue}}"}},
			},
			{
				Title: "GPUs that jobs held and used, over the last $window", Description: "On average over time, of jobs that ended.", Kind: Lines, Unit: Count,
				Queries: []Query{{`sum by (of) (rate(runcast_finished_gpu_seconds_total{queue=~"$queue"}[$window]))`, "{{of}}"}},
			},
			{
				Title: "Utilization of all GPUs", Description: "Of those that DCGM sees, held or not.", Kind: Lines, Unit: Share,
				Queries: []Query{{`avg(DCGM_FI_DEV_GPU_UTIL) / 100`, "mean"}},
			},
			{
				Title: "Framebuffer memory in use, of all GPUs", Kind: Lines, Unit: Bytes,
				Queries: []Query{{`sum(DCGM_FI_DEV_FB_USED) * 1024 * 1024`, "used"}},
			},
		},
	}
}
