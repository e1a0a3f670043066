package kube

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// apiServer is client-go's fake with those habits of the real one that a release
// depends on: uid, creation time, resource version, generation, and the status of
// a JSON patch whose test fails. It counts the releases of each Job.
type apiServer struct {
	*fake.Clientset
	act clienttesting.ReactionFunc

	mu       sync.Mutex
	events   []string         // "reason job: note", in the order of arrival
	released map[string]int   // by namespace/name
	fault    map[string]error // by verb and resource: returned instead of acting
	lose     map[string]bool  // by verb and resource: act, then lose the answer
	refused  string           // name of a Job that no release is accepted for
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	s := &apiServer{
		Clientset: fake.NewSimpleClientset(),
		released:  map[string]int{},
		fault:     map[string]error{},
		lose:      map[string]bool{},
	}
	s.act = clienttesting.ObjectReaction(&tracker{ObjectTracker: s.Tracker(), server: s})
	s.PrependReactor("*", "*", s.handle)
	return s
}

func (s *apiServer) handle(action clienttesting.Action) (bool, runtime.Object, error) {
	call := action.GetVerb() + " " + action.GetResource().Resource
	s.mu.Lock()
	fault, lose, refused := s.fault[call], s.lose[call], s.refused
	if call == "create events" {
		e := action.(clienttesting.CreateAction).GetObject().(*eventsv1.Event)
		s.events = append(s.events, fmt.Sprintf("%s %s: %s", e.Reason, e.Regarding.Name, e.Note))
	}
	s.mu.Unlock()
	if fault != nil {
		return true, nil, fault
	}
	if call == "create events" {
		return true, action.(clienttesting.CreateAction).GetObject(), nil
	}
	if p, ok := action.(clienttesting.PatchAction); ok && p.GetName() == refused && strings.Contains(string(p.GetPatch()), `"replace","path":"/spec/suspend"`) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Group: "batch", Resource: "jobs"}, refused, errors.New("denied by a policy"))
	}
	handled, o, err := s.act(action)
	var status apierrors.APIStatus
	if err != nil && action.GetVerb() == "patch" && !errors.As(err, &status) {
		err = apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
	}
	if lose {
		return true, nil, errors.New("connection lost")
	}
	return handled, o, err
}

// A connection is one process' way to the API server.
type connection struct {
	*fake.Clientset
	cut atomic.Bool   // every call fails
	lag time.Duration // by which watches are late
}

// connect makes a connection whose watches are late by lag.
func (s *apiServer) connect(lag time.Duration) *connection {
	c := &connection{Clientset: fake.NewSimpleClientset(), lag: lag}
	c.PrependReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if c.cut.Load() {
			return true, nil, errors.New("no route to host")
		}
		return s.handle(action)
	})
	c.PrependWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
		if c.cut.Load() {
			return true, nil, errors.New("no route to host")
		}
		w, err := s.Tracker().Watch(action.GetResource(), action.GetNamespace(), action.(clienttesting.WatchActionImpl).ListOptions)
		if err != nil || c.lag == 0 {
			return true, w, err
		}
		return true, late(w, c.lag), nil
	})
	return c
}

// late delays the events of a watch.
func late(w watch.Interface, lag time.Duration) watch.Interface {
	type stamped struct {
		watch.Event
		due time.Time
	}
	out := make(chan watch.Event)
	queue := make(chan stamped, 1000)
	stop := watch.NewProxyWatcher(out)
	go func() {
		defer close(queue)
		for {
			select {
			case e := <-w.ResultChan():
				queue <- stamped{e, time.Now().Add(lag)}
			case <-stop.StopChan():
				w.Stop()
				return
			}
		}
	}()
	go func() {
		for e := range queue {
			select {
			case <-time.After(time.Until(e.due)):
			case <-stop.StopChan():
			}
			select {
			case out <- e.Event:
			case <-stop.StopChan():
			}
		}
	}()
	return stop
}

// fail makes a call such as "patch jobs" fail with err; nil mends it.
func (s *apiServer) fail(call string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault[call] = err
}

// forget makes the answers to a call get lost.
func (s *apiServer) forget(call string, yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose[call] = yes
}

// refuse makes every release of a Job be refused; "" ends that.
func (s *apiServer) refuse(job string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = job
}

func (s *apiServer) takeEvents() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.events
	s.events = nil
	return e
}

func (s *apiServer) releases(job string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.released[job]
}

// tracker sets the metadata that the API server sets.
type tracker struct {
	clienttesting.ObjectTracker
	server  *apiServer
	version int
}

func (t *tracker) stamp(o runtime.Object, before runtime.Object) {
	t.server.mu.Lock()
	defer t.server.mu.Unlock()
	m, err := meta.Accessor(o)
	if err != nil {
		panic(err)
	}
	t.version++
	m.SetResourceVersion(strconv.Itoa(t.version))
	if before == nil {
		if m.GetUID() == "" {
			m.SetUID(types.UID("uid-" + strconv.Itoa(t.version)))
		}
		if ts := m.GetCreationTimestamp(); ts.IsZero() {
			m.SetCreationTimestamp(metav1.Now())
		}
		m.SetGeneration(1)
		return
	}
	was, _ := meta.Accessor(before)
	m.SetGeneration(was.GetGeneration())
	a, isJob := o.(*batchv1.Job)
	if !isJob {
		return
	}
	b := before.(*batchv1.Job)
	if !equality.Semantic.DeepEqual(a.Spec, b.Spec) {
		m.SetGeneration(was.GetGeneration() + 1)
	}
	if suspended(b) && !suspended(a) {
		t.server.released[fullName(a)]++
	}
}

func (t *tracker) Create(gvr schema.GroupVersionResource, o runtime.Object, ns string, opts ...metav1.CreateOptions) error {
	t.stamp(o, nil)
	return t.ObjectTracker.Create(gvr, o, ns, opts...)
}

func (t *tracker) Update(gvr schema.GroupVersionResource, o runtime.Object, ns string, opts ...metav1.UpdateOptions) error {
	t.stampUpdate(gvr, o, ns)
	return t.ObjectTracker.Update(gvr, o, ns, opts...)
}

func (t *tracker) Patch(gvr schema.GroupVersionResource, o runtime.Object, ns string, opts ...metav1.PatchOptions) error {
	t.stampUpdate(gvr, o, ns)
	return t.ObjectTracker.Patch(gvr, o, ns, opts...)
}

func (t *tracker) stampUpdate(gvr schema.GroupVersionResource, o runtime.Object, ns string) {
	m, err := meta.Accessor(o)
	if err != nil {
		panic(err)
	}
	if before, err := t.Get(gvr, ns, m.GetName()); err == nil {
		t.stamp(o, before)
	}
}

// The cluster's other actors, by hand.

func (s *apiServer) job(t *testing.T, name string) *batchv1.Job {
	t.Helper()
	j, err := s.BatchV1().Jobs("default").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// updateJob changes a Job, as a user or the Job controller would.
func (s *apiServer) updateJob(t *testing.T, name string, change func(*batchv1.Job)) {
	t.Helper()
	j := s.job(t, name)
	change(j)
	if _, err := s.BatchV1().Jobs("default").Update(t.Context(), j, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// startJob plays Job controller, kube-scheduler and kubelet: it creates the Job's
// pods, one on each of the nodes ("" leaves one unbound).
func (s *apiServer) startJob(t *testing.T, name string, nodes ...string) {
	t.Helper()
	s.updateJob(t, name, func(j *batchv1.Job) {
		now := metav1.Now()
		j.Status.StartTime = &now
	})
	j := s.job(t, name)
	for i, node := range nodes {
		yes := true
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: j.Namespace, Name: fmt.Sprintf("%s-%d-%d", name, j.Generation, i),
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: name, UID: j.UID, Controller: &yes}}},
			Spec: *j.Spec.Template.Spec.DeepCopy(),
		}
		pod.Spec.NodeName = node
		if node != "" {
			now := metav1.NewTime(time.Now())
			pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &now}
		}
		if _, err := s.CoreV1().Pods(j.Namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// endPods ends a Job's pods; the Job's status does not know yet.
func (s *apiServer) endPods(t *testing.T, name string) {
	t.Helper()
	j := s.job(t, name)
	list, err := s.CoreV1().Pods(j.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range list.Items {
		if controllingJob(&pod) != j.UID || podEnded(&pod) {
			continue
		}
		pod.Status.Phase = corev1.PodSucceeded
		if _, err := s.CoreV1().Pods(j.Namespace).Update(t.Context(), &pod, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}
