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

func toLoad(l *predictor.QueueLoad) *pb.GetLoadResponse {
	m := &pb.GetLoadResponse{}
	for _, s := range l.Shares {
		m.Shares = append(m.Shares, &pb.QueueShare{
			Queue: s.Queue, Weight: s.Weight, Share: s.Share, Resource: s.Resource,
			Running: toInt32(s.Running), Waiting: toInt32(s.Waiting),
		})
	}
	for _, d := range l.Unserved {
		m.Unserved = append(m.Unserved, &pb.Demand{Pods: toInt32(d.Pods), Request: d.Request})
	}
	return m
}

func fromLoad(m *pb.GetLoadResponse) predictor.QueueLoad {
	var l predictor.QueueLoad
	for _, s := range m.GetShares() {
		l.Shares = append(l.Shares, predictor.QueueShare{
			Queue: s.GetQueue(), Weight: s.GetWeight(), Share: s.GetShare(), Resource: s.GetResource(),
			Running: int(s.GetRunning()), Waiting: int(s.GetWaiting()),
		})
	}
	for _, d := range m.GetUnserved() {
		l.Unserved = append(l.Unserved, predictor.Demand{Pods: int(d.GetPods()), Request: d.GetRequest()})
	}
	return l
}
