package promql

import (
	"context"
	"fmt"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
)

// An Exporter is where a template's metrics come from. Each has its own way to name
// the labels of the workload.
type Exporter string

// The exporters.
const (
	KubeStateMetrics Exporter = "kube-state-metrics"
	CAdvisor         Exporter = "cadvisor"
	DCGM             Exporter = "dcgm"
	Workload         Exporter = "workload" // the pods themselves
)

const (
	styleAuto     = "auto"
	stylePlain    = "plain"
	styleExported = "exported"
	stylePodName  = "pod_name"
	styleNone     = "none"
)

// A labelStyle names the labels of the workload in an exporter's series.
type labelStyle struct {
	namespace, pod, container string
	// only selects the series of this style among those of the exporter's others;
	// empty or ends with a comma.
	only string
}

var plain = labelStyle{namespace: "namespace", pod: "pod", container: "container"}

// styles has what Prometheus makes of an exporter's labels. A label gets the prefix
// only where the target has one of the same name: the kubelet's targets have a
// namespace and neither pod nor container. dcgm-exporter's own pod label stands on
// the series of idle GPUs, so its two newer styles can occur side by side.
var styles = map[Exporter]map[string]labelStyle{
	KubeStateMetrics: {
		stylePlain:    plain,
		styleExported: {namespace: "exported_namespace", pod: "exported_pod", container: "exported_container"},
	},
	CAdvisor: {
		stylePlain:    plain,
		styleExported: {namespace: "exported_namespace", pod: "pod", container: "container"},
	},
	DCGM: {
		stylePlain:    {namespace: "namespace", pod: "pod", container: "container", only: `exported_pod="",`},
		styleExported: {namespace: "exported_namespace", pod: "exported_pod", container: "exported_container"},
		stylePodName:  {namespace: "pod_namespace", pod: "pod_name", container: "container_name"},
	},
	Workload: {stylePlain: plain}, // labels that the scrape adds
}

// signs are the series that tell a style; the first style without a sign, plain for
// the two exporters every cluster has, is what remains if none is found.
var signs = map[Exporter][]struct{ style, selector string }{
	KubeStateMetrics: {{styleExported, `kube_pod_owner{%sexported_pod!=""}`}},
	CAdvisor:         {{styleExported, `container_memory_working_set_bytes{%sexported_namespace!=""}`}},
	DCGM: {
		{styleExported, `DCGM_FI_DEV_FB_USED{%sexported_pod!=""}`},
		{stylePlain, `DCGM_FI_DEV_FB_USED{%spod!="",exported_pod=""}`},
		{stylePodName, `DCGM_FI_DEV_FB_USED{%spod_name!=""}`},
	},
}

const (
	// lookBack is how far back labels, and all that Probe wants to see, are looked for:
	// in a day some job should have ended.
	lookBack = 24 * time.Hour
	// styleSpan is for how much of the data a style that was found holds: exporters
	// come and change while the collector runs.
	styleSpan = time.Hour
	// maxStyles bounds what is remembered, to some months' worth.
	maxStyles = 10_000
)

type styleKey struct {
	exporter Exporter
	span     int64
}

// stylesAt returns the styles of an exporter's labels in the data about at, none if
// it has no series. A setting saves the look-up.
func (s *Source) stylesAt(ctx context.Context, e Exporter, at time.Time) ([]labelStyle, error) {
	set := map[Exporter]string{KubeStateMetrics: s.cfg.Labels.KubeStateMetrics, CAdvisor: s.cfg.Labels.CAdvisor, DCGM: s.cfg.Labels.GPU, Workload: stylePlain}[e]
	switch set {
	case styleNone:
		return nil, nil
	case styleAuto:
	default:
		return []labelStyle{styles[e][set]}, nil
	}
	key := styleKey{e, at.Unix() / int64(styleSpan.Seconds())}
	s.mu.Lock()
	found, ok := s.found[key]
	s.mu.Unlock()
	if ok {
		return found, nil
	}
	for _, sign := range signs[e] {
		seen, err := s.exists(ctx, fmt.Sprintf(sign.selector, s.common), at)
		if err != nil {
			return nil, fmt.Errorf("label style of %s: %w", e, err)
		}
		if seen {
			found = append(found, styles[e][sign.style])
		}
	}
	if len(found) == 0 && e != DCGM {
		found = []labelStyle{plain}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.found) >= maxStyles {
		clear(s.found)
	}
	s.found[key] = found
	return found, nil
}

// exists reports whether any series matched selector in the day before at. That there
// are more than the one asked for is a warning, which says nothing here.
func (s *Source) exists(ctx context.Context, selector string, at time.Time) (bool, error) {
	var found bool
	err := s.retry(ctx, "series", func(ctx context.Context) error {
		series, _, _, err := s.api.Series(ctx, []string{selector}, at.Add(-lookBack), at, v1.WithLimit(1), v1.WithTimeout(time.Duration(s.cfg.QueryTimeout)))
		found = len(series) > 0
		return err
	})
	return found, err
}
