package dashboards

import (
	"encoding/json"
	"fmt"
	"strings"
)

// JSON is the dashboard as Grafana's provisioning reads it. The same dashboard is always
// the same bytes.
func (d *Dashboard) JSON() ([]byte, error) {
	variables := []object{
		{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
		{
			"name": "queue", "label": "Queue", "type": "query", "datasource": source, "includeAll": true, "multi": true, "allValue": ".*",
			"current": object{"text": "All", "value": "$__all"}, "refresh": 2, "sort": 1,
			"query": object{"query": `label_values(runcast_finished_jobs_total, queue)`, "refId": "queue"},
		},
	}
	if strings.Contains(d.queries(), "$window") {
		variables = append(variables, object{
			"name": "window", "label": "Over the last", "type": "custom", "query": "1h,6h,1d,7d",
			"current": object{"text": "6h", "value": "6h"},
		})
	}
	panels := make([]object, len(d.Panels))
	for i, at := range d.layout() {
		panels[i] = d.Panels[i].object(i+1, at)
	}
	return json.MarshalIndent(object{
		"uid": "runcast-" + d.Name, "title": "Runcast / " + d.Title, "description": d.Description, "tags": []string{"runcast"},
		"schemaVersion": 39, "editable": true, "graphTooltip": 1, "refresh": "30s", "time": object{"from": "now-24h", "to": "now"},
		"templating": object{"list": variables},
		"links":      []object{{"type": "dashboards", "tags": []string{"runcast"}, "title": "Runcast", "asDropdown": true}},
		"panels":     panels,
	}, "", "  ")
}

// An object is one of JSON's; its keys are written in order.
type object = map[string]any

const gridWidth = 24

var source = object{"type": "prometheus", "uid": "${datasource}"}

// layout places the panels: the numbers in one line, then the graphs, two to a line; a
// last one alone is as wide as both.
func (d *Dashboard) layout() []object {
	const height = 8
	var stats, graphs int
	for _, p := range d.Panels {
		if p.Kind == Stat {
			stats++
		} else {
			graphs++
		}
	}
	top := 0
	if stats > 0 {
		top = height / 2
	}
	at := make([]object, len(d.Panels))
	stat, graph := 0, 0
	for i, p := range d.Panels {
		if p.Kind == Stat {
			w := gridWidth / stats
			at[i] = object{"x": stat * w, "y": 0, "w": w, "h": height / 2}
			stat++
			continue
		}
		w := gridWidth / 2
		at[i] = object{"x": graph % 2 * w, "y": top + graph/2*height, "w": w, "h": height}
		if graph++; graph == graphs && graph%2 == 1 {
			at[i]["w"] = gridWidth
		}
	}
	return at
}

func (p *Panel) object(id int, at object) object {
	var targets []object
	for i, q := range p.Queries {
		targets = append(targets, object{"refId": string(rune('A' + i)), "datasource": source, "expr": q.Expr, "legendFormat": q.Legend, "instant": p.Kind == Stat})
	}
	field := object{"unit": p.Unit, "color": object{"mode": "palette-classic"}, "noValue": "none yet", "min": 0}
	if p.Unit == Share {
		field["max"] = 1
	}
	options := object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}}
	custom := object{"lineWidth": 2, "fillOpacity": 8, "showPoints": "auto", "spanNulls": false} // no line where nothing is known
	switch p.Kind {
	case Stat:
		options = object{"colorMode": "value", "graphMode": "none", "reduceOptions": object{"calcs": []string{"lastNotNull"}}}
		field["color"] = object{"mode": "thresholds"}
		field["thresholds"] = thresholds(p.Steps)
		if p.Unit == Count {
			field["decimals"] = 0 // increase() extrapolates
		}
	case Stacked: // without lines: that of a zero would hide the one below it
		custom["stacking"], custom["fillOpacity"], custom["lineWidth"] = object{"mode": "normal"}, 70, 0
	case Lines:
		if len(p.Steps) > 0 {
			custom["thresholdsStyle"] = object{"mode": "dashed"}
			field["thresholds"] = thresholds(p.Steps)
		}
	}
	if p.Kind != Stat {
		field["custom"] = custom
	}
	return object{
		"id": id, "type": map[Kind]string{Stat: "stat", Lines: "timeseries", Stacked: "timeseries"}[p.Kind],
		"title": p.Title, "description": p.Description, "datasource": source, "targets": targets,
		"gridPos":     at,
		"fieldConfig": object{"defaults": field, "overrides": []object{}}, "options": options,
	}
}

func thresholds(steps []Step) object {
	list := []object{{"color": "text", "value": nil}}
	for _, s := range steps {
		if s.From == nil {
			list[0]["color"] = s.Color
			continue
		}
		list = append(list, object{"color": s.Color, "value": *s.From})
	}
	return object{"mode": "absolute", "steps": list}
}

func (d *Dashboard) queries() string {
	var b strings.Builder
	for _, p := range d.Panels {
		for _, q := range p.Queries {
			fmt.Fprintln(&b, q.Expr)
		}
	}
	return b.String()
}
