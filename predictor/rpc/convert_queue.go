package rpc

import (
	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

func toQueueEntry(e *predictor.QueueEntry) *pb.QueueEntry {
	return &pb.QueueEntry{
		Namespace: e.Namespace,
		Name:      e.Name,
		Queue:     e.Queue,
		Position:  toInt32(e.Position),
		Submitted: toTime(e.Submitted),
		StartP50:  toTime(e.StartP50),
		StartP90:  toTime(e.StartP90),
		EndP50:    toTime(e.EndP50),
		EndP90:    toTime(e.EndP90),
		Decision:  e.Decision,
		Estimate:  toEstimate(&e.Estimate),
	}
}

func fromQueueEntry(v *violations, m *pb.QueueEntry) predictor.QueueEntry {
	return predictor.QueueEntry{
		Namespace: m.GetNamespace(),
		Name:      m.GetName(),
		Queue:     m.GetQueue(),
		Position:  int(m.GetPosition()),
		Submitted: fromTime(v, "submitted", m.GetSubmitted()),
		StartP50:  fromTime(v, "start_p50", m.GetStartP50()),
		StartP90:  fromTime(v, "start_p90", m.GetStartP90()),
		EndP50:    fromTime(v, "end_p50", m.GetEndP50()),
		EndP90:    fromTime(v, "end_p90", m.GetEndP90()),
		Decision:  m.GetDecision(),
		Estimate:  fromEstimate(v, m.GetEstimate()),
	}
}
