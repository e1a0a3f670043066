package train

import (
	"cmp"
	"slices"
	"strings"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// A GroupName is what the jobs of a report's group have in common.
type GroupName struct {
	Namespace string `json:"namespace,omitempty"`
	Queue     string `json:"queue,omitempty"` // only of jobs without a namespace
	User      string `json:"user,omitempty"`
	Name      string `json:"name,omitempty"` // features.RunName
}

func groupName(s *predictor.JobSpec) GroupName {
	g := GroupName{Namespace: s.Namespace, User: s.User, Name: features.RunName(s)}
	if g.Namespace == "" {
		g.Queue = s.Queue
	}
	return g
}

// String is the name in words: "namespace ml, user ann, name train".
func (g GroupName) String() string {
	var parts []string
	for _, p := range [...][2]string{{"namespace", g.Namespace}, {"queue", g.Queue}, {"user", g.User}, {"name", g.Name}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	if len(parts) == 0 {
		return "all jobs"
	}
	return strings.Join(parts, ", ")
}

// compare orders names by their fields.
func (g GroupName) compare(h GroupName) int {
	return cmp.Or(cmp.Compare(g.Namespace, h.Namespace), cmp.Compare(g.Queue, h.Queue),
		cmp.Compare(g.User, h.User), cmp.Compare(g.Name, h.Name))
}

// A Group is how good each predictor was on the judged jobs of one group.
type Group struct {
	GroupName
	Jobs       int                `json:"jobs"` // judged
	Predictors map[string]Metrics `json:"predictors"`
	Hindsight  Metrics            `json:"hindsight"` // see Report
}

// groups measures each group of the judged jobs, the largest first.
func (b *replay) groups(hindsight []outcome) []Group {
	members := map[GroupName][]int{} // places in b.jobs
	for i, job := range b.jobs {
		name := groupName(&b.records[job].JobSpec)
		members[name] = append(members[name], i)
	}
	groups := make([]Group, 0, len(members))
	for name, places := range members {
		g := Group{GroupName: name, Jobs: len(places), Predictors: map[string]Metrics{}}
		of := func(all []outcome) Metrics {
			said := make([]outcome, len(places))
			for i, place := range places {
				said[i] = all[place]
			}
			return b.measure(said)
		}
		for predictor, all := range b.said {
			g.Predictors[predictor] = of(all)
		}
		g.Hindsight = of(hindsight)
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Jobs, a.Jobs), a.compare(b.GroupName))
	})
	return groups
}
