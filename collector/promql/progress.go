package promql

import (
	"context"
	"time"
)

// Progress tells what share of its work, from 0 to 1, each pod last said that it had
// done, by namespace/name: those that export job_progress_ratio, or what the template
// progress says instead. Other values are left out.
func (s *Source) Progress(ctx context.Context, now time.Time) (map[string]float64, error) {
	rows, err := s.ask(ctx, "progress", scope{at: now})
	if err != nil {
		return nil, err
	}
	progress := make(map[string]float64, len(rows))
	for _, r := range rows {
		if r.value >= 0 && r.value <= 1 {
			progress[r.namespace+"/"+r.pod] = r.value
		}
	}
	return progress, nil
}
