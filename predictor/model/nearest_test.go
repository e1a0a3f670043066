package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/features"
)

// kin is a made-up history of users whose jobs come in families of names: those of a
// family take about as long, and every eighth job is one that nobody has seen.
type kin struct {
	random  *rand.Rand
	manner  func(family, a, b, stage string) string // of naming
	typical map[string]float64                      // logarithm of the seconds that a family's jobs take, by and large
	known   [8][]relation                           // by user
}

type relation struct {
	name string
	log  float64 // of the seconds that it takes
}

var (
	families = strings.Fields("resnet bert whisper orders customers invoices genome render transcode backup report crawl index simulate calibrate forecast")
	variants = strings.Fields("large small tiny base eu us asia blue green alpha beta mini fast slow exact rough first second north south old new raw clean full part deep wide long short")
	stages   = strings.Fields("train eval daily nightly hourly prod dev test")
)

func newKin(manner func(family, a, b, stage string) string) *kin {
	k := &kin{random: rand.New(rand.NewPCG(3, 5)), manner: manner, typical: map[string]float64{}}
	for _, f := range families {
		k.typical[f] = 5 + 1.8*k.random.NormFloat64()
	}
	return k
}

// next returns a job's user, name and runtime, and whether nobody has seen the name.
func (k *kin) next() (user int, r relation, unseen bool) {
	word := func(words []string) string { return words[k.random.IntN(len(words))] }
	user = k.random.IntN(len(k.known))
	if len(k.known[user]) < 3 || k.random.IntN(8) == 0 {
		unseen = true
		f := families[(3*user+k.random.IntN(7))%len(families)]
		r = relation{k.manner(f, word(variants), word(variants), word(stages)), k.typical[f] + 0.35*k.random.NormFloat64()}
		k.known[user] = append(k.known[user], r)
	} else {
		r = k.known[user][k.random.IntN(len(k.known[user]))]
	}
	r.log += 0.2 * k.random.NormFloat64()
	return user, r, unseen
}

// A name that nobody has seen tells how long its job takes, whatever the manner of naming:
// far better than the rest of what is known of the job, which a name like no other leaves.
func TestRelativesByName(t *testing.T) {
	title := func(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
	for name, manner := range map[string]func(family, a, b, stage string) string{
		"family first": func(f, a, b, stage string) string { return f + "-" + a + "-" + b },
		"family last":  func(f, a, b, stage string) string { return a + "_" + stage + "_" + b + "_" + f },
		"one word":     func(f, a, b, stage string) string { return stage + title(f) + title(a) + title(b) },
	} {
		k, m, at := newKin(manner), New(1), time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
		var missed, without, unseen float64
		for i := range 1600 {
			user, r, fresh := k.next()
			s := predictor.JobSpec{
				ID: fmt.Sprint(i), User: fmt.Sprint("user", user), Name: r.name, Submitted: at,
				Image: "registry/ml/run:7", Command: "python main.py --in /data",
			}
			if fresh && i > 600 {
				unseen++
				missed += math.Abs(features.LogSeconds(m.Estimate(&s).Runtime.P50) - r.log)
				alone := s
				alone.Name = "zqx"
				without += math.Abs(features.LogSeconds(m.Estimate(&alone).Runtime.P50) - r.log)
			}
			runtime := time.Duration(math.Exp(r.log) * float64(time.Second))
			at = at.Add(runtime + time.Minute)
			m.Observe(predictor.JobRecord{JobSpec: s, Started: at.Add(-runtime), Finished: at, Outcome: predictor.Succeeded})
		}
		t.Logf("%s: %g names that nobody had seen, their medians a factor of e^%.2f off, of a name like no other e^%.2f", name, unseen, missed/unseen, without/unseen)
		if missed > 0.7*without {
			t.Errorf("%s: unseen names are e^%.2f off, a name like no other e^%.2f", name, missed/unseen, without/unseen)
		}
	}
}
