package scheduler

import (
	"reflect"
	"testing"
)

func TestShares(t *testing.T) {
	s := Snapshot{
		Resources: []string{"cpu", "nvidia.com/gpu"},
		Nodes:     []Node{{"a", Vector{8000, 4}}, {"b", Vector{8000}}},
		Weights:   map[string]float64{"ml": 3, "idle": 0.5},
		Running: []Running{
			{ID: "1", Queue: "ml", Request: Vector{1000, 1}, Pods: []int{0, 0}},
			{ID: "1", Queue: "ml", Request: Vector{1000, 1}, Pods: []int{-1}}, // released, not yet bound
			{ID: "2", Queue: "web", Request: Vector{4000}, Pods: []int{1}},
			{ID: "3", Request: Vector{1000}, Pods: []int{1}},
			{ID: "4", Queue: "web", Foreign: true, Request: Vector{1000}, Pods: []int{1}},
		},
		Pending: []Pending{{ID: "5", Queue: "ml"}, {ID: "6", Queue: "new"}, {ID: "7"}},
	}
	want := []Share{
		{Queue: "idle", Weight: 0.5, Resource: -1},
		{Queue: "ml", Weight: 3, Dominant: 0.75, Resource: 1, Running: 1, Waiting: 1},
		{Queue: "new", Weight: 1, Resource: -1, Waiting: 1},
		{Queue: "web", Weight: 1, Dominant: 0.25, Resource: 0, Running: 1},
	}
	if got := Shares(&s); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
