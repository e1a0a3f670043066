package rpc

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

// A filler draws values of the vocabulary by reflection, so that a field added to
// it is filled, and missed if no conversion carries it.
type filler struct {
	*rand.Rand
	full bool // nothing is zero
}

func (f filler) zero() bool { return !f.full && f.IntN(4) == 0 }

func (f filler) fill(v reflect.Value) {
	if f.zero() {
		return
	}
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Unix(f.Int64N(7e9)-2e9, f.Int64N(1e9)).UTC()
	case *time.Duration:
		*p = 1 + time.Duration(f.Int64N(1<<51)>>f.IntN(50)) // exact in seconds, see the function seconds
	case *predictor.Bytes:
		*p = 1 + predictor.Bytes(f.Int64N(int64(predictor.MaxMemory)))
	case *predictor.Quantiles[time.Duration]:
		*p = quantiles[time.Duration](f)
	case *predictor.Quantiles[predictor.Bytes]:
		*p = quantiles[predictor.Bytes](f)
	case *predictor.Quantiles[predictor.Milli]:
		*p = quantiles[predictor.Milli](f)
	case *predictor.Feature:
		if f.IntN(2) == 0 {
			*p = predictor.Feature{Text: f.text()}
		} else {
			*p = predictor.Feature{Number: f.number()}
		}
	case *predictor.Outcome:
		*p = predictor.Outcomes[f.IntN(len(predictor.Outcomes))]
	case *predictor.Quality:
		*p = qualities[f.IntN(len(qualities))]
	case *string:
		*p = f.text()
	case *bool:
		*p = true
	case *float64:
		*p = f.number()
	case *int:
		*p = 1 + f.IntN(math.MaxInt32)
	case *int32:
		*p = 1 + f.Int32N(math.MaxInt32)
	case *int64:
		*p = 1 + f.Int64N(math.MaxInt64)
	case *uint64:
		*p = f.Uint64() | 1
	default:
		f.fillComposite(v)
	}
}

func (f filler) fillComposite(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+f.IntN(3), 3))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + f.IntN(3) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key)
			f.fill(value)
			v.SetMapIndex(key, value)
		}
	default:
		panic(fmt.Sprintf("the filler cannot fill a %v", v.Type()))
	}
}

func (f filler) text() string {
	runes := []rune("az09 /\"\\\n\x00éλ漢🚀")
	var b strings.Builder
	for range 1 + f.IntN(12) {
		b.WriteRune(runes[f.IntN(len(runes))])
	}
	return b.String()
}

func (f filler) number() float64 {
	for {
		if x := math.Float64frombits(f.Uint64()); finite(x) && x != 0 {
			return x
		}
	}
}

func quantiles[T ~int64](f filler) predictor.Quantiles[T] {
	var v [4]T
	for i := range v {
		v[i] = 1 + T(f.Int64N(1<<50)>>f.IntN(50))
	}
	slices.Sort(v[:])
	return predictor.Quantiles[T]{P10: v[0], P50: v[1], P90: v[2], P99: v[3]}
}

// checkRoundTrip checks that random values survive the wire, and that a value
// without zeros leaves no field of the message unset.
func checkRoundTrip[T any, M proto.Message](t *testing.T, to func(*T) M, from func(*violations, M) T) {
	t.Helper()
	var name T
	t.Run(fmt.Sprintf("%T", name), func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 400 {
			f := filler{r, i%2 == 0}
			var want T
			f.fill(reflect.ValueOf(&want).Elem())
			message := to(&want)
			if f.full {
				checkFull(t, message.ProtoReflect(), "")
			}
			b, err := proto.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			received := message.ProtoReflect().New().Interface().(M)
			if err := proto.Unmarshal(b, received); err != nil {
				t.Fatal(err)
			}
			var v violations
			got := from(&v, received)
			if diff := cmp.Diff(want, got); diff != "" || v != nil {
				t.Fatalf("violations %v, sent (-) and received (+):\n%s", v, diff)
			}
		}
	})
}

func checkFull(t *testing.T, m protoreflect.Message, path string) {
	t.Helper()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		name := path + "." + field.TextName()
		oneof := field.ContainingOneof()
		if !m.Has(field) {
			if oneof == nil || oneof.IsSynthetic() {
				t.Errorf("%s is not set", name)
			}
			continue
		}
		switch {
		case field.IsMap(), field.Message() == nil, strings.HasPrefix(string(field.Message().FullName()), "google."):
		case field.IsList():
			for i := range m.Get(field).List().Len() {
				checkFull(t, m.Get(field).List().Get(i).Message(), name)
			}
		default:
			checkFull(t, m.Get(field).Message(), name)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	checkRoundTrip(t, toJobSpec, fromJobSpec)
	checkRoundTrip(t, toRunningJob, fromRunningJob)
	checkRoundTrip(t, toRecord, fromRecord)
	checkRoundTrip(t, toEntry, fromEntry)
	checkRoundTrip(t, toEstimate, fromEstimate)
	checkRoundTrip(t, toExplanation, fromExplanation)
	checkRoundTrip(t, toModelInfo, fromModelInfo)
	checkRoundTrip(t, toQueueEntry, fromQueueEntry)
	checkRoundTrip(t, func(q *predictor.Quantiles[time.Duration]) *pb.Remaining {
		return &pb.Remaining{RemainingSeconds: toRuntime(*q)}
	}, fromRemaining)
}

// Beyond 26 days a quantile in seconds loses nanoseconds, but never its order.
func TestLongRuntimes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var v [4]time.Duration
		for i := range v {
			v[i] = time.Duration(r.Int64N(int64(predictor.MaxDuration)))
		}
		slices.Sort(v[:])
		v[2] = min(v[1]+1, v[3])
		want := predictor.Quantiles[time.Duration]{P10: v[0], P50: v[1], P90: v[2], P99: v[3]}
		var bad violations
		got := fromRuntime(&bad, "runtime", toRuntime(want))
		if bad != nil || !got.Valid() {
			t.Fatalf("%v: %v, %v", want, got, bad)
		}
		for i, d := range got.Values() {
			if off := (d - v[i]).Abs(); float64(off) > float64(v[i])/(1<<51) {
				t.Fatalf("%v arrived as %v", v[i], d)
			}
		}
	}
}

func TestToInt32(t *testing.T) {
	for n, want := range map[int]int32{0: 0, -5: -5, 7: 7, math.MaxInt64: math.MaxInt32, math.MinInt64: math.MinInt32} {
		if got := toInt32(n); got != want {
			t.Errorf("toInt32(%d) = %d, want %d", n, got, want)
		}
	}
}

// What no value of the vocabulary can stand for is a violation with its path.
func TestFromRefuses(t *testing.T) {
	spec := func(change func(*pb.JobSpec)) *pb.JobRecord {
		m := &pb.JobRecord{Spec: &pb.JobSpec{}}
		change(m.Spec)
		return m
	}
	served := func(e *pb.Estimate) *pb.JobRecord { return &pb.JobRecord{Served: e} }
	level := func(l, x float64) *pb.Quantile { return &pb.Quantile{Level: l, Value: x} }
	for field, m := range map[string]*pb.JobRecord{
		"submitted":                spec(func(s *pb.JobSpec) { s.Submitted = &timestamppb.Timestamp{Nanos: -1} }),
		"started":                  {Started: &timestamppb.Timestamp{Seconds: math.MaxInt64}},
		"finished":                 {Finished: &timestamppb.Timestamp{Nanos: 1e9}},
		"runtime_limit_seconds":    spec(func(s *pb.JobSpec) { s.RuntimeLimit = &durationpb.Duration{Seconds: 1, Nanos: -1} }),
		"expected_runtime_seconds": spec(func(s *pb.JobSpec) { s.ExpectedRuntime = &durationpb.Duration{Seconds: math.MinInt64} }),
		`features["x"]`:            spec(func(s *pb.JobSpec) { s.Features = map[string]*pb.Feature{"x": {}} }),
		`features["\xff"]`: spec(func(s *pb.JobSpec) {
			s.Features = map[string]*pb.Feature{"\xff": {Value: &pb.Feature_Text{}}}
		}),
		"outcome":                     {Outcome: 7},
		"quality":                     {Usage: &pb.Usage{Quality: -1}},
		"served.runtime_seconds":      served(&pb.Estimate{RuntimeSeconds: []*pb.Quantile{level(0.1, 1), level(0.5, 1), level(0.99, 1)}}),
		"served.mean_runtime_seconds": served(&pb.Estimate{MeanRuntimeSeconds: math.NaN()}),
		"served.peak_memory_bytes": served(&pb.Estimate{PeakMemoryBytes: []*pb.Quantile{
			level(0.1, 2), level(0.5, 1), level(0.9, 3), level(0.99, 4)}}),
	} {
		var v violations
		fromRecord(&v, m)
		if len(v) != 1 || v[0].Field != field || v[0].Expected == "" {
			t.Errorf("%s: violations %q", field, v)
		}
	}
}

func TestFromQuantilesIgnoresOtherLevels(t *testing.T) {
	var v violations
	got := fromRuntime(&v, "", []*pb.Quantile{
		{Level: 0.99, Value: 4}, {Level: 0.95, Value: math.Inf(1)}, {Level: 0.1, Value: 1}, {Level: 0.5, Value: 2}, {Level: 0.9, Value: 3},
	})
	want := predictor.Quantiles[time.Duration]{P10: time.Second, P50: 2 * time.Second, P90: 3 * time.Second, P99: 4 * time.Second}
	if got != want || v != nil {
		t.Errorf("got %v, violations %v", got, v)
	}
}

func TestFromSecondsRefuses(t *testing.T) {
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e10, -1e10, math.MaxInt64 / 1e9} {
		var v violations
		if got := fromSeconds(&v, "x", x); got != 0 || len(v) != 1 {
			t.Errorf("%v seconds = %v, violations %v", x, got, v)
		}
	}
	for _, x := range []float64{math.NaN(), math.Inf(1), -math.MaxFloat64, 1 << 63} {
		var v violations
		if got := fromBytes(&v, "x", x); got != 0 || len(v) != 1 {
			t.Errorf("%v bytes = %v, violations %v", x, got, v)
		}
	}
}
