package recommender

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// A problem becomes a condition.
type problem struct {
	condition       vpav1.VerticalPodAutoscalerConditionType
	reason, message string
}

func unsupported(reason, message string) *problem {
	return &problem{vpav1.ConfigUnsupported, reason, message}
}

func lowConfidence(message string) *problem {
	return &problem{vpav1.LowConfidence, "ShortHistory", message}
}

// A finding is what a round has found out about one VerticalPodAutoscaler.
type finding struct {
	// recommended is nil if nothing could be said, which leaves the recommendation
	// there is; it is empty if there is nothing to recommend.
	recommended []vpav1.RecommendedContainerResources
	problems    []*problem
}

// ours are the conditions that statusOf sets and removes.
var ours = []vpav1.VerticalPodAutoscalerConditionType{
	vpav1.RecommendationProvided, vpav1.LowConfidence, vpav1.NoPodsMatched, vpav1.ConfigUnsupported,
}

// statusOf is the status that a finding gives a VerticalPodAutoscaler. It equals the
// present one if there is no news.
func statusOf(vpa *vpav1.VerticalPodAutoscaler, f finding, now time.Time) vpav1.VerticalPodAutoscalerStatus {
	status := vpav1.VerticalPodAutoscalerStatus{ObservedGeneration: new(vpa.Generation), Recommendation: vpa.Status.Recommendation}
	if f.recommended != nil {
		status.Recommendation = nil
	}
	if len(f.recommended) > 0 {
		status.Recommendation = &vpav1.RecommendedPodResources{ContainerRecommendations: f.recommended}
	}
	for _, c := range vpa.Status.Conditions {
		if !slices.Contains(ours, c.Type) {
			status.Conditions = append(status.Conditions, c)
		}
	}
	set := func(name vpav1.VerticalPodAutoscalerConditionType, is corev1.ConditionStatus, reason, message string) {
		c := vpav1.VerticalPodAutoscalerCondition{Type: name, Status: is, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)), ObservedGeneration: vpa.Generation}
		for _, was := range vpa.Status.Conditions {
			if was.Type == name && was.Status == is {
				c.LastTransitionTime = was.LastTransitionTime
			}
		}
		status.Conditions = append(status.Conditions, c)
	}
	provided, reason, message := corev1.ConditionTrue, "", ""
	if status.Recommendation == nil {
		provided, reason, message = corev1.ConditionFalse, "NothingToRecommend", "the resource policy leaves nothing to recommend"
	}
	for _, p := range f.problems {
		if p.condition != vpav1.RecommendationProvided {
			set(p.condition, corev1.ConditionTrue, p.reason, p.message)
		}
		if provided == corev1.ConditionFalse {
			reason, message = p.reason, p.message
		}
	}
	set(vpav1.RecommendationProvided, provided, reason, message)
	slices.SortFunc(status.Conditions, func(a, b vpav1.VerticalPodAutoscalerCondition) int { return cmp.Compare(a.Type, b.Type) })
	return status
}
