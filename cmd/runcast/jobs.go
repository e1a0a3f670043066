package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	strictjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/runcast/runcast/collector/trace"
	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/jobspec"
)

// jobSource are the flags that say which jobs are meant: manifests, or rows of CSV.
type jobSource struct {
	manifest string
	csv      string
}

func (s *jobSource) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.manifest, "filename", "f", "", "manifest `file` of batch/v1 Jobs or CronJobs, or a List of them, - for standard input")
	cmd.Flags().StringVar(&s.csv, "csv", "", "job-history CSV `file` of jobs to come: what only the end tells may be missing")
}

func (s *jobSource) read(cmd *cobra.Command) ([]predictor.JobSpec, error) {
	switch {
	case (s.manifest == "") == (s.csv == ""):
		return nil, usagef(cmd, "expected either --filename or --csv")
	case s.csv != "":
		r, err := trace.Open(s.csv, trace.Options{SpecsOnly: true})
		if err != nil {
			return nil, err
		}
		defer r.Close()
		records, err := r.ReadAll()
		if err != nil {
			return nil, err
		}
		specs := make([]predictor.JobSpec, len(records))
		for i := range records {
			specs[i] = records[i].JobSpec
		}
		return specs, nil
	}
	in, name := cmd.InOrStdin(), "standard input"
	if s.manifest != "-" {
		f, err := os.Open(s.manifest)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in, name = f, s.manifest
	}
	specs, problems, err := readManifests(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, p := range problems {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: ignored: %v\n", name, p)
	}
	return specs, nil
}

// readManifests reads the Jobs of a stream of YAML or JSON documents.
func readManifests(in io.Reader) (specs []predictor.JobSpec, problems []jobspec.Problem, err error) {
	docs := utilyaml.NewYAMLReader(bufio.NewReader(in))
	for n := 1; ; n++ {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, nil, err
		}
		jobs, err := manifestJobs(doc)
		if err != nil {
			return nil, nil, fmt.Errorf("document %d: %w", n, err)
		}
		for _, job := range jobs {
			spec, ps := jobspec.FromJob(job, 0)
			specs, problems = append(specs, spec), append(problems, ps...)
		}
	}
	if len(specs) == 0 {
		return nil, nil, errors.New("no batch/v1 Job in it")
	}
	return specs, problems, nil
}

// manifestJobs reads one document: a Job, the Job that a CronJob would make, or a list of
// them as kubectl prints it. There is none in what is only comments.
func manifestJobs(doc []byte) ([]*batchv1.Job, error) {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(doc, &kind); err != nil {
		return nil, err
	}
	switch kind.APIVersion + " " + kind.Kind {
	case " ":
		return nil, nil
	case "batch/v1 Job":
		job := &batchv1.Job{}
		return []*batchv1.Job{job}, unmarshalObject(doc, job)
	case "batch/v1 CronJob":
		cron := &batchv1.CronJob{}
		if err := unmarshalObject(doc, cron); err != nil {
			return nil, err
		}
		controller := true
		job := &batchv1.Job{ObjectMeta: cron.Spec.JobTemplate.ObjectMeta, Spec: cron.Spec.JobTemplate.Spec}
		job.Name, job.Namespace = cron.Name, cron.Namespace
		job.OwnerReferences = []metav1.OwnerReference{{Kind: "CronJob", Name: cron.Name, Controller: &controller}}
		return []*batchv1.Job{job}, nil
	case "v1 List":
		list := &metav1.List{}
		if err := unmarshalObject(doc, list); err != nil {
			return nil, err
		}
		var all []*batchv1.Job
		for i := range list.Items {
			jobs, err := manifestJobs(list.Items[i].Raw)
			if err != nil {
				return nil, fmt.Errorf("items[%d]: %w", i, err)
			}
			all = append(all, jobs...)
		}
		return all, nil
	}
	return nil, fmt.Errorf("expected a batch/v1 Job or CronJob, or a List of them, got %q %q", kind.APIVersion, kind.Kind)
}

// unmarshalObject decodes as the API server does under strict validation: errors name
// the field by its whole path.
func unmarshalObject(doc []byte, into any) error {
	doc, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return err
	}
	unknown, err := strictjson.UnmarshalStrict(doc, into)
	return errors.Join(append(unknown, err)...)
}

// clusterJob reads a Job from the API server.
func clusterJob(ctx context.Context, kubeconfig, namespace, name string) (predictor.JobSpec, error) {
	client, err := kubeClient(kubeconfig)
	if err != nil {
		return predictor.JobSpec{}, err
	}
	job, err := client.BatchV1().Jobs(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return predictor.JobSpec{}, err
	}
	spec, _ := jobspec.FromJob(job, 0)
	return spec, nil
}
