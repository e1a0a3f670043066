package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
)

// A diary writes down what one user's jobs took, one an hour.
type diary struct {
	m      *Model
	random *rand.Rand
	at     time.Time
	jobs   int
}

func newDiary() *diary {
	return &diary{New(1), rand.New(rand.NewPCG(1, 2)), time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), 0}
}

// ran has a job finish that took about so long.
func (d *diary) ran(name string, about time.Duration) {
	d.jobs++
	d.at = d.at.Add(time.Hour)
	runtime := time.Duration(float64(about) * math.Exp(0.1*d.random.NormFloat64()))
	d.m.Observe(predictor.JobRecord{
		JobSpec: predictor.JobSpec{ID: fmt.Sprint(d.jobs), User: "ann", Name: fmt.Sprintf("%s-%05x", name, d.jobs), Submitted: d.at.Add(-runtime)},
		Started: d.at.Add(-runtime), Finished: d.at, Outcome: predictor.Succeeded,
	})
}

func (d *diary) expects(t *testing.T, name string, want time.Duration) {
	t.Helper()
	e := d.m.Estimate(&predictor.JobSpec{User: "ann", Name: name + "-fffff", Submitted: d.at})
	if e.Runtime.P50 < want/2 || e.Runtime.P50 > 2*want {
		t.Errorf("%s: p50 %v by %s, want about %v", name, e.Runtime.P50, e.Source, want)
	}
}

// A job that nobody has seen takes about as long as its relatives by name, not as the
// user's jobs do by and large.
func TestUnseenNameHasRelatives(t *testing.T) {
	d := newDiary()
	for i := range 200 {
		d.ran("etl-orders", time.Minute)
		d.ran("etl-customers", time.Minute)
		if i%10 == 0 {
			d.ran("train-resnet-large", 5*time.Hour)
			d.ran("train-resnet-small", 2*time.Hour)
		}
	}
	d.expects(t, "train-resnet-medium", 3*time.Hour)
	d.expects(t, "eu-resnet-train", 3*time.Hour)
	d.expects(t, "ResnetTraining", 3*time.Hour)
	d.expects(t, "etl-suppliers", time.Minute)
	d.expects(t, "etl-orders", time.Minute)
	d.expects(t, "train-resnet-small", 2*time.Hour)
}

// Whose runs an estimate rests on is said; that they are not the job's own, too.
func TestUnseenNameIsExplained(t *testing.T) {
	d := newDiary()
	for range 20 {
		d.ran("train-resnet-large", 5*time.Hour)
		d.ran("etl-orders", time.Minute)
	}
	x := d.m.Explain(&predictor.JobSpec{User: "ann", Name: "train-resnet-small", Submitted: d.at})
	if want := "the nearest names (train-resnet-large-#)"; !strings.HasPrefix(x.Estimate.Source, want) || !strings.Contains(strings.Join(x.Text, " "), want) {
		t.Errorf("the source is %q and the text %q, want %q in both", x.Estimate.Source, x.Text, want)
	}
	if !x.Estimate.Cold || x.Estimate.Samples != 16 {
		t.Errorf("cold %v, %d samples; want 16 of another name", x.Estimate.Cold, x.Estimate.Samples)
	}
}

// Once a job takes ten times as long as it did, eight runs tell more than the three
// hundred before.
func TestLevelShiftIsFollowed(t *testing.T) {
	d := newDiary()
	for range 300 {
		d.ran("report", time.Minute)
		d.ran("etl", 3*time.Minute)
	}
	for range 8 {
		d.ran("report", 10*time.Minute)
	}
	d.expects(t, "report", 10*time.Minute)
	d.expects(t, "etl", 3*time.Minute)
}
