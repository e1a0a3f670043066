package rpc

import (
	"fmt"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

func toJobSpec(s *predictor.JobSpec) *pb.JobSpec {
	m := &pb.JobSpec{
		Id:              s.ID,
		Submitted:       toTime(s.Submitted),
		Cluster:         s.Cluster,
		Namespace:       s.Namespace,
		User:            s.User,
		Queue:           s.Queue,
		Name:            s.Name,
		Owner:           s.Owner,
		Family:          s.Family,
		Image:           s.Image,
		Command:         s.Command,
		Priority:        s.Priority,
		Pods:            toInt32(s.Pods),
		Requests:        toResources(s.Requests),
		GpuModel:        s.GPUModel,
		NodeType:        s.NodeType,
		RuntimeLimit:    toSpan(s.RuntimeLimit),
		ExpectedRuntime: toSpan(s.ExpectedRuntime),
	}
	if len(s.Features) > 0 {
		m.Features = make(map[string]*pb.Feature, len(s.Features))
		for name, f := range s.Features {
			m.Features[name] = toFeature(f)
		}
	}
	return m
}

func fromJobSpec(v *violations, m *pb.JobSpec) predictor.JobSpec {
	s := predictor.JobSpec{
		ID:              m.GetId(),
		Submitted:       fromTime(v, "submitted", m.GetSubmitted()),
		Cluster:         m.GetCluster(),
		Namespace:       m.GetNamespace(),
		User:            m.GetUser(),
		Queue:           m.GetQueue(),
		Name:            m.GetName(),
		Owner:           m.GetOwner(),
		Family:          m.GetFamily(),
		Image:           m.GetImage(),
		Command:         m.GetCommand(),
		Priority:        m.GetPriority(),
		Pods:            int(m.GetPods()),
		Requests:        fromResources(m.GetRequests()),
		GPUModel:        m.GetGpuModel(),
		NodeType:        m.GetNodeType(),
		RuntimeLimit:    fromSpan(v, "runtime_limit_seconds", m.GetRuntimeLimit()),
		ExpectedRuntime: fromSpan(v, "expected_runtime_seconds", m.GetExpectedRuntime()),
	}
	if len(m.GetFeatures()) > 0 {
		s.Features = make(map[string]predictor.Feature, len(m.GetFeatures()))
		for name, f := range m.GetFeatures() {
			s.Features[name] = fromFeature(v, name, f)
		}
	}
	return s
}

// toResources writes nothing asked for as an absent message.
func toResources(r predictor.Resources) *pb.Resources {
	if r == (predictor.Resources{}) {
		return nil
	}
	return &pb.Resources{CpuCores: r.CPUCores, MemoryBytes: int64(r.Memory), Gpus: r.GPUs}
}

func fromResources(m *pb.Resources) predictor.Resources {
	return predictor.Resources{CPUCores: m.GetCpuCores(), Memory: predictor.Bytes(m.GetMemoryBytes()), GPUs: m.GetGpus()}
}

func toFeature(f predictor.Feature) *pb.Feature {
	if f.Text != "" {
		return &pb.Feature{Value: &pb.Feature_Text{Text: f.Text}}
	}
	return &pb.Feature{Value: &pb.Feature_Number{Number: f.Number}}
}

// fromFeature refuses the empty text: the vocabulary would read it as the number 0.
func fromFeature(v *violations, name string, m *pb.Feature) predictor.Feature {
	switch value := m.GetValue().(type) {
	case *pb.Feature_Text:
		if value.Text != "" {
			return predictor.Feature{Text: value.Text}
		}
	case *pb.Feature_Number:
		return predictor.Feature{Number: value.Number}
	}
	v.add(fmt.Sprintf("features[%.64q]", name), "a number or a text that is not empty")
	return predictor.Feature{}
}

func toRunningJob(j *predictor.RunningJob) *pb.RunningJob {
	return &pb.RunningJob{Job: toJobSpec(&j.JobSpec), Elapsed: toSpan(j.Elapsed), Progress: j.Progress}
}

func fromRunningJob(v *violations, m *pb.RunningJob) predictor.RunningJob {
	if m.GetJob() == nil {
		v.add("job", "a job")
	}
	return predictor.RunningJob{JobSpec: fromJobSpec(v, m.GetJob()), Elapsed: fromSpan(v, "elapsed", m.GetElapsed()), Progress: m.GetProgress()}
}
