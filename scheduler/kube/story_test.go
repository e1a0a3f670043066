package kube

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runcast/runcast/predictor/jobspec"
)

var update = flag.Bool("update", false, "rewrite the want tables of testdata/*.txtar")

// TestStories plays testdata/*.txtar: a script of what happens in a cluster with a
// running Loop, and the table of what the reporting commands print. The plan is
// shortestFirst; time is the bubble's. The commands are the methods of story.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			synctest.Test(t, func(t *testing.T) { got = play(t, string(archive.Comment)) })
			if *update {
				archive.Files = []txtar.File{{Name: "want", Data: got}}
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(archive.Files) != 1 {
				t.Fatal("expected one file, want; run with -update")
			}
			if diff := cmp.Diff(string(archive.Files[0].Data), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

type story struct {
	*testing.T
	server *apiServer
	oracle *oracle
	loop   *Loop
	began  time.Time
	out    bytes.Buffer
}

func play(t *testing.T, script string) []byte {
	s := &story{T: t, server: newAPIServer(t), oracle: newOracle(), began: time.Now()}
	l, stop := runLoop(t, s.server, s.oracle, Config{Releases: 1, NoticesPerSecond: 1000})
	defer stop()
	s.loop = l
	for i, line := range strings.Split(script, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if err := s.do(fields[0], fields[1:]); err != nil {
			t.Fatalf("line %d: %s: %v", i+1, line, err)
		}
	}
	return s.out.Bytes()
}

// do runs one command. Options of node and job are name:value, resources name=quantity.
func (s *story) do(command string, args []string) error {
	switch command {
	case "wait": // DURATION
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return err
		}
		time.Sleep(d)
	case "node": // NAME RESOURCE... OPTION...
		s.server.create(s.T, s.node(args))
	case "class": // NAME VALUE: a PriorityClass
		v, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		c := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: args[0]}, Value: int32(v)}
		_, err = s.server.SchedulingV1().PriorityClasses().Create(s.Context(), c, metav1.CreateOptions{})
		return err
	case "pod": // NAME NODE RESOURCE...: of no Job; - is no node yet
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: args[0]}}
		p.Spec.NodeName = strings.TrimPrefix(args[1], "-")
		p.Spec.Containers = []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: quantities(s.T, args[2:])}}}
		s.server.create(s.T, p)
	case "job": // NAME RESOURCE... OPTION...
		s.server.create(s.T, s.job(args))
	case "runtime": // JOB DURATION: what the predictor says
		d, err := time.ParseDuration(args[1])
		s.oracle.set(func(o *oracle) { o.runtimes[args[0]] = d })
		return err
	case "model": // VERSION
		s.oracle.set(func(o *oracle) { o.model = args[0] })
	case "predictor": // up, down or hangs
		s.oracle.set(func(o *oracle) { o.down, o.hangs = args[0] == "down", args[0] == "hangs" })
	case "start": // JOB NODE...: its pods are created; - is a pod without a node
		nodes := slices.Clone(args[1:])
		for i, n := range nodes {
			nodes[i] = strings.TrimPrefix(n, "-")
		}
		s.server.startJob(s.T, args[0], nodes...)
	case "end": // JOB: its pods end
		s.server.endPods(s.T, args[0])
	case "complete": // JOB: its status says so
		s.server.updateJob(s.T, args[0], func(j *batchv1.Job) {
			j.Status.Conditions = append(j.Status.Conditions, batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue})
		})
	case "suspend": // JOB: by a user
		s.server.updateJob(s.T, args[0], func(j *batchv1.Job) {
			yes := true
			j.Spec.Suspend = &yes
			j.Status.StartTime = nil
		})
	case "cordon": // NODE
		return s.updateNode(args[0], func(n *corev1.Node) { n.Spec.Unschedulable = true })
	case "uncordon": // NODE
		return s.updateNode(args[0], func(n *corev1.Node) { n.Spec.Unschedulable = false })
	case "break": // VERB RESOURCE: such calls fail
		s.server.fail(args[0]+" "+args[1], errors.New("connection refused"))
	case "mend": // VERB RESOURCE
		s.server.fail(args[0]+" "+args[1], nil)
		s.server.forget(args[0]+" "+args[1], false)
	case "lose": // VERB RESOURCE: such calls happen, and their answers are lost
		s.server.forget(args[0]+" "+args[1], true)
	case "refuse": // JOB: no release of it is accepted; - accepts all again
		s.server.refuse(strings.TrimPrefix(args[0], "-"))
	case "jobs":
		s.jobs()
	case "events": // since the last time
		events := s.server.takeEvents()
		slices.Sort(events)
		fmt.Fprintf(&s.out, "%s events\n", s.clock(time.Now()))
		for _, e := range events {
			fmt.Fprintf(&s.out, "  %s\n", e)
		}
	default:
		return errors.New("no such command")
	}
	return nil
}

func (s *story) node(args []string) *corev1.Node {
	resources, options := split(args[1:])
	n := testNode(s.T, args[0], resources...)
	for _, o := range options {
		switch o[0] {
		case "label":
			k, v, _ := strings.Cut(o[1], "=")
			n.Labels[k] = v
		case "taint":
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: o[1], Effect: corev1.TaintEffectNoSchedule})
		default:
			s.Fatalf("node option %q", o[0])
		}
	}
	return n
}

func (s *story) job(args []string) *batchv1.Job {
	resources, options := split(args[1:])
	j := testJob(s.T, args[0], resources...)
	spec := &j.Spec.Template.Spec
	number := func(v string) *int32 {
		n, err := strconv.Atoi(v)
		if err != nil {
			s.Fatal(err)
		}
		m := int32(n)
		return &m
	}
	for _, o := range options {
		k, v, _ := strings.Cut(o[1], "=")
		switch o[0] {
		case "pods":
			j.Spec.Parallelism, j.Spec.Completions = number(k), number(k)
		case "completions":
			j.Spec.Completions = number(k)
		case "priority":
			spec.PriorityClassName = k
		case "selector":
			spec.NodeSelector = map[string]string{k: v}
		case "tolerate":
			spec.Tolerations = []corev1.Toleration{{Key: k, Operator: corev1.TolerationOpExists}}
		case "limit":
			spec.Containers[0].Resources.Limits = quantities(s.T, []string{o[1]})
		case "queue":
			j.Labels[jobspec.LabelQueue] = k
		case "kueue":
			j.Labels[jobspec.LabelKueueQueue] = k
		case "kill":
			d, err := time.ParseDuration(k)
			if err != nil {
				s.Fatal(err)
			}
			seconds := int64(d.Seconds())
			j.Spec.ActiveDeadlineSeconds = &seconds
		case "managed":
			j.Spec.ManagedBy = &k
		case "unlabelled":
			delete(j.Labels, jobspec.LabelQueue)
			no := false
			j.Spec.Suspend = &no
		case "annotate":
			annotated(j, jobspec.Prefix+k, v)
		default:
			s.Fatalf("job option %q", o[0])
		}
	}
	return j
}

// split parts name=quantity from name:value.
func split(args []string) (resources []string, options [][2]string) {
	for _, a := range args {
		before, after, ok := strings.Cut(a, ":")
		if ok && !strings.Contains(before, "=") {
			options = append(options, [2]string{before, after})
		} else {
			resources = append(resources, a)
		}
	}
	return resources, options
}

func (s *story) updateNode(name string, change func(*corev1.Node)) error {
	n, err := s.server.CoreV1().Nodes().Get(s.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	change(n)
	_, err = s.server.CoreV1().Nodes().Update(s.Context(), n, metav1.UpdateOptions{})
	return err
}

// jobs prints every Job: how often it was released, and what it is told.
func (s *story) jobs() {
	fmt.Fprintf(&s.out, "%s jobs\n", s.clock(time.Now()))
	list, err := s.server.BatchV1().Jobs("").List(s.Context(), metav1.ListOptions{})
	if err != nil {
		s.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b batchv1.Job) int { return strings.Compare(a.Name, b.Name) })
	for _, j := range list.Items {
		state := "runs"
		if suspended(&j) {
			state = "waits"
		}
		line := fmt.Sprintf("  %-8s %-5s released %d", j.Name, state, s.server.releases(fullName(&j)))
		for _, a := range []struct{ label, name string }{
			{"", jobspec.AnnotationDecision}, {"p50 ", jobspec.AnnotationRuntime},
		} {
			if v, ok := j.Annotations[a.name]; ok {
				line += "; " + a.label + v
			}
		}
		for _, a := range []struct{ label, name string }{{"start", jobspec.AnnotationStart}, {"end", jobspec.AnnotationEnd}} {
			if v, ok := j.Annotations[a.name]; ok {
				line += "; " + a.label + " " + s.clock(parseTime(v))
			}
		}
		fmt.Fprintln(&s.out, line)
	}
}

// clock is the time since the story began.
func (s *story) clock(t time.Time) string { return t.Sub(s.began).Truncate(time.Second).String() }
