package main

import (
	"context"
	"path"
	"slices"
	"strings"

	authv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/kubernetes"
)

// checkKubernetes looks for the API server, and asks it whether a component may do there
// what it has to.
func checkKubernetes(ctx context.Context, cfg *Config, component string) []check {
	const subject = "Kubernetes"
	if cfg.Kubernetes.Disabled {
		return []check{{subject: subject, ok: true, finding: "left out by kubernetes.disabled"}}
	}
	client, err := kubeClient(cfg.Kubernetes.Kubeconfig)
	if err != nil {
		return []check{{subject: subject, finding: err.Error(), fix: "set kubernetes.kubeconfig, or kubernetes.disabled: true"}}
	}
	info, err := client.Discovery().ServerVersion()
	if err != nil {
		return []check{{subject: subject, finding: err.Error(), fix: "is the API server of this kubeconfig up, and reachable from here?"}}
	}
	out := []check{{subject: subject, ok: true, finding: "version " + info.GitVersion}}
	if v, err := version.ParseGeneric(info.GitVersion); err == nil && v.LessThan(version.MustParseGeneric("1.36")) {
		out[0].fix = "from 1.36 on a suspended Job's requests can be changed; on this one Runcast orders jobs and leaves requests alone"
	}
	recommends := component == "recommender" || component == "up" && !cfg.Recommender.Disabled
	if recommends {
		types, there := checkVPA(client, component == "up")
		recommends = there
		out = append(out, types)
	}
	for _, r := range rights(cfg, component, recommends) {
		out = append(out, checkRight(ctx, client, r))
	}
	return out
}

// checkVPA looks for the Vertical Pod Autoscaler's types.
func checkVPA(client kubernetes.Interface, optional bool) (c check, there bool) {
	c.subject = "VerticalPodAutoscaler"
	_, err := client.Discovery().ServerResourcesForGroupVersion("autoscaling.k8s.io/v1")
	switch {
	case err == nil:
		c.ok, c.finding = true, "autoscaling.k8s.io/v1"
	case apierrors.IsNotFound(err):
		c.ok, c.finding, c.fix = optional, "not in this cluster: nothing is recommended", "install the CustomResourceDefinitions of the Vertical Pod Autoscaler"
	default:
		c.finding, c.fix = err.Error(), "the API server does not tell whether it has this kind"
	}
	return c, err == nil
}

// rights are what a component asks of the API server, each once.
func rights(cfg *Config, component string, recommends bool) []authv1.ResourceAttributes {
	var all []authv1.ResourceAttributes
	needs := func(to authv1.ResourceAttributes, verbs ...string) {
		for _, verb := range verbs {
			if to.Verb = verb; !slices.Contains(all, to) {
				all = append(all, to)
			}
		}
	}
	of := func(group, resource string) authv1.ResourceAttributes {
		resource, subresource, _ := strings.Cut(resource, "/")
		return authv1.ResourceAttributes{Group: group, Resource: resource, Subresource: subresource}
	}
	lease := func(e ElectionConfig) {
		if e.Name == "" {
			return
		}
		to := of("coordination.k8s.io", "leases")
		to.Namespace = e.Namespace
		needs(to, "create") // which RBAC gives for no name
		to.Name = e.Name
		needs(to, "get", "update")
	}
	collects := component == "collector" || component == "up"
	schedules := component == "scheduler" || component == "up" && !cfg.Scheduler.Disabled
	if collects || schedules {
		needs(of("batch", "jobs"), "watch")
		needs(of("", "pods"), "watch")
		needs(of("scheduling.k8s.io", "priorityclasses"), "watch")
	}
	if schedules {
		needs(of("", "nodes"), "watch")
		needs(of("batch", "jobs"), "get", "patch")
		needs(of("events.k8s.io", "events"), "create", "patch")
		lease(cfg.Scheduler.Election)
	}
	if recommends {
		needs(of("autoscaling.k8s.io", "verticalpodautoscalers"), "watch")
		needs(of("autoscaling.k8s.io", "verticalpodautoscalers/status"), "patch")
		needs(of("", "nodes"), "watch")
		needs(of("", "limitranges"), "watch")
		needs(of("", "pods"), "list")
		for _, resource := range []string{"cronjobs", "jobs"} {
			needs(of("batch", resource), "get")
		}
		for _, resource := range []string{"deployments", "statefulsets", "daemonsets", "replicasets"} {
			needs(of("apps", resource), "get")
		}
		needs(of("", "replicationcontrollers"), "get")
		lease(cfg.Recommender.Election)
	}
	if cfg.Server.Authorization == "kubernetes" && component != "recommender" { // which serves nothing
		needs(of("authentication.k8s.io", "tokenreviews"), "create")
		needs(of("authorization.k8s.io", "subjectaccessreviews"), "create")
	}
	return all
}

func checkRight(ctx context.Context, client kubernetes.Interface, r authv1.ResourceAttributes) check {
	c := check{subject: "right to " + r.Verb + " " + path.Join(r.Resource, r.Subresource)}
	if r.Namespace != "" {
		c.subject = strings.TrimSpace(c.subject+" "+r.Name) + " in " + r.Namespace
	}
	review := &authv1.SelfSubjectAccessReview{Spec: authv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &r}}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	switch {
	case err != nil:
		c.finding = err.Error()
	case answer.Status.Allowed:
		c.ok, c.finding = true, "granted"
	default:
		c.finding, c.fix = "denied "+answer.Status.Reason, "grant it to this user or service account by a ClusterRole"
	}
	return c
}
