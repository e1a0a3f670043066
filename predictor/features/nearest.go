package features

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/runcast/runcast/predictor"
)

// How relatives are looked up. The likenesses and the number of relatives are those of the
// least loss on made-up families of names, named in several manners; one relative instead
// of four costs a quarter more at p90.
const (
	// gram is the length of the pieces of a name that are compared, in bytes.
	gram = 3
	// mostWords is how many words of a command are compared: fewer than a name has pieces.
	mostWords = 16
	// mostTemplates is how many templates of a group can be found.
	mostTemplates = 256
	// near is the likeness from which on a template is a relative, and nearly the share of
	// the likeness of the nearest one from which on another counts beside it.
	near, nearly = 0.2, 0.7
	// mostRelatives is how many templates count, each with an equal part of a Window.
	mostRelatives = 4
)

// A sketch is the set of the trigrams of a job's name and image and of the words of its
// command, each hashed to one bit.
type sketch [8]uint64

func sketchOf(s *predictor.JobSpec) sketch {
	var k sketch
	_, name := subject(s)
	k.grams(Template(afterSlash(name)))
	k.grams(Template(afterSlash(repository(s.Image))))
	n := 0
	for word := range strings.FieldsSeq(Template(s.Command)) {
		if n++; n > mostWords {
			break
		}
		k.add(word)
	}
	return k
}

// afterSlash is s without the kind of an owner, or an image's registry.
func afterSlash(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// grams adds the trigrams of a text; its beginning and its end are letters of their own.
func (k *sketch) grams(text string) {
	text = "^" + text + "$"
	for i := range len(text) - gram + 1 {
		k.add(text[i : i+gram])
	}
}

func (k *sketch) add(text string) {
	h := fnvOffset.text(text)
	k[h>>6%hash(len(k))] |= 1 << (h & 63)
}

// likeness is what two sets have in common out of what either has (Jaccard, 1912), from 0 to 1.
func (k *sketch) likeness(other *sketch) float64 {
	both, either := 0, 0
	for i := range k {
		both += bits.OnesCount64(k[i] & other[i])
		either += bits.OnesCount64(k[i] | other[i])
	}
	return float64(both) / float64(max(either, 1))
}

// A template is one that a group's jobs have had, to be found by its likes.
type template struct {
	key    Key // at levelTemplate
	sketch sketch
}

// home returns the group in which a job's template is looked for: its user's, or where
// nobody is named that of all jobs.
func (s *State) home(keys *Keys) *Group {
	if k := keys[LevelUser]; k != 0 {
		return s.groups[k]
	}
	return s.groups[keys[levelAll]]
}

// introduce makes a job's template known. Where there are too many it takes the place of
// the one that has been silent for longest.
func (s *State) introduce(j *predictor.JobSpec, keys *Keys) {
	g, t := s.home(keys), template{keys[levelTemplate], sketchOf(j)}
	switch known := func(o template) bool { return o.key == t.key }; {
	case slices.ContainsFunc(g.templates, known): // its group had been forgotten
	case len(g.templates) < mostTemplates:
		g.templates = append(g.templates, t)
	default:
		g.templates[s.silent(g.templates)] = t
	}
}

// silent returns the place of the template that has been silent for longest, of which no
// run may be remembered any more.
func (s *State) silent(templates []template) int {
	at, longest := 0, uint64(math.MaxUint64)
	for i, t := range templates {
		last := uint64(0)
		if g := s.groups[t.key]; g != nil {
			last = g.last
		}
		if last < longest {
			at, longest = i, last
		}
	}
	return at
}

// A relative is a template that is like a job's, by what it remembers.
type relative struct {
	likeness float64
	runs     []*Run
}

// nearest returns the runs, finished at t, of the templates nearest to a job's, in order
// of observation.
func (s *State) nearest(j *predictor.JobSpec, keys *Keys, t time.Time) []*Run {
	var runs []*Run
	relatives := s.relatives(j, keys, t)
	for _, r := range relatives {
		if r.likeness >= nearly*relatives[0].likeness {
			runs = append(runs, r.runs[max(len(r.runs)-Window/mostRelatives, 0):]...)
		}
	}
	slices.SortFunc(runs, func(a, b *Run) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return runs
}

// relatives returns the nearest templates of which runs had finished at t, the nearest
// first; of those as near, the ones known for longer.
func (s *State) relatives(j *predictor.JobSpec, keys *Keys, t time.Time) []relative {
	g := s.home(keys)
	if g == nil {
		return nil
	}
	own := sketchOf(j)
	best := make([]relative, 0, mostRelatives+1)
	for i := range g.templates {
		r := relative{likeness: own.likeness(&g.templates[i].sketch)}
		if r.likeness < near || len(best) == mostRelatives && r.likeness <= best[mostRelatives-1].likeness {
			continue
		}
		if of := s.groups[g.templates[i].key]; of != nil {
			r.runs = of.at(t, Window)
		}
		if len(r.runs) == 0 {
			continue
		}
		at := slices.IndexFunc(best, func(o relative) bool { return o.likeness < r.likeness })
		if at < 0 {
			at = len(best)
		}
		best = slices.Insert(best, at, r)
		best = best[:min(len(best), mostRelatives)]
	}
	return best
}
