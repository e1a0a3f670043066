//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

// restored loses the volume and puts a backup in its place, by the account and the pod that
// docs/operations.md has for it: every record and every model is there again, and the
// predictor, which nobody restarts, goes on learning.
func restored(i *installation) {
	i.addUser("backup", "queued")
	if _, err := i.Client().RbacV1().ClusterRoleBindings().Create(i.ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "runcast-backup"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: runcastNamespace, Name: "backup"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "runcast-operator"},
	}, metav1.CreateOptions{}); err != nil {
		i.Fatal(err)
	}
	before := i.learned()
	file := filepath.Join(i.Dir, "backup.bolt")
	backup := exec.CommandContext(i.ctx, i.binary, "backup", "--server="+i.address["collector"], "--token-file="+filepath.Join(i.Dir, "backup.token"),
		"--ca-file="+filepath.Join(i.Dir, "root-collector/etc/runcast/tls/ca.crt"), file)
	if out, err := backup.CombinedOutput(); err != nil {
		i.Fatalf("backup: %v\n%s", err, out)
	}
	i.kill("collector")
	volume := filepath.Join(i.Dir, "runcast-store")
	if err := os.RemoveAll(volume); err != nil {
		i.Fatal(err)
	}
	if err := os.Mkdir(volume, 0o755); err != nil {
		i.Fatal(err)
	}

	pod := i.restorePod()
	var args []string
	for _, arg := range pod.Spec.Containers[0].Args {
		args = append(args, strings.ReplaceAll(arg, pod.Spec.Containers[0].VolumeMounts[0].MountPath, volume))
	}
	restore := i.contained(i.ctx, []string{volume}, args)
	in, err := os.Open(file)
	if err != nil {
		i.Fatal(err)
	}
	defer in.Close()
	restore.Stdin = in
	if out, err := restore.CombinedOutput(); err != nil {
		i.Fatalf("restore: %v\n%s", err, out)
	}
	i.restart("collector")
	i.history = i.dialAs("backup", "collector").History()
	i.nothingLost("restored", before)

	runs := few(rand.New(rand.NewPCG(5, 5)), "restored", 2)
	i.submit(runs)
	i.await("jobs to end", time.Minute, func() bool { return i.allOver("queued", runs) })
	i.poll("their records", time.Minute, func() error { return i.haveRecords(runs, false) })
	i.poll("the predictor to learn from them", 30*time.Second, func() error {
		spec, _ := jobspec.FromJob(runs[0].job("queued", "queued", "gpu"), 0)
		said, err := i.dialAs("backup", "predictor").Estimator().Explain(i.ctx, spec)
		if err == nil && !slices.ContainsFunc(said.Past, func(r predictor.PastRun) bool { return r.Name == runs[0].name }) {
			err = fmt.Errorf("its estimate rests on %v", said.Past)
		}
		return err
	})
}

// A learning is what Runcast has learned, and must not lose.
type learning struct {
	Records []string // namespace/name
	Models  []predictor.ModelInfo
	Answers string // version of the model that estimates are made by
}

// learned asks a collector and a predictor that may have started just now.
func (i *installation) learned() (l learning) {
	i.Helper()
	spec, _ := jobspec.FromJob(few(rand.New(rand.NewPCG(6, 6)), "any", 1)[0].job("queued", "queued", "gpu"), 0)
	i.poll("records, models and an estimate", 20*time.Second, func() error {
		collector := i.dialAs("backup", "collector")
		records, err := i.recordsOf(collector.History())
		if err != nil {
			return err
		}
		l.Records = slices.Sorted(maps.Keys(records))
		if l.Models, err = collector.Models().List(i.ctx); err != nil {
			return err
		}
		e, err := i.dialAs("backup", "predictor").Estimator().Estimate(i.ctx, []predictor.JobSpec{spec})
		if err == nil {
			l.Answers = e[0].Model
		}
		return err
	})
	if len(l.Records) == 0 || len(l.Models) == 0 || l.Answers == "" {
		i.Fatalf("there is nothing to lose: %+v", l)
	}
	return l
}

// nothingLost holds what is known now to what was; further jobs may have ended since.
func (i *installation) nothingLost(since string, before learning) {
	i.Helper()
	now := i.learned()
	now.Records = slices.DeleteFunc(now.Records, func(name string) bool { return !slices.Contains(before.Records, name) })
	if diff := cmp.Diff(before, now); diff != "" {
		i.Errorf("%s (-before +after):\n%s", since, diff)
	}
}

// restorePod is the pod that docs/operations.md has, which the API server takes.
func (i *installation) restorePod() *corev1.Pod {
	i.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		i.Fatal(err)
	}
	_, overrides, _ := strings.Cut(string(text), "--overrides='")
	overrides, _, _ = strings.Cut(overrides, "'")
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "restore"}}
	if err := yaml.UnmarshalStrict([]byte(overrides), pod); err != nil {
		i.Fatalf("the pod in docs/operations.md: %v", err)
	}
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	if _, err := i.Client().CoreV1().Pods(runcastNamespace).Create(i.ctx, pod, dryRun); err != nil {
		i.Fatalf("the pod in docs/operations.md: %v", err)
	}
	return pod
}
