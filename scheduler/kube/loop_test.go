package kube

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/runcast/runcast/scheduler"
)

func TestReleasesShortestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		est := newOracle()
		est.runtimes["long"], est.runtimes["short"] = time.Hour, time.Minute
		s.create(t, testNode(t, "n1", "cpu=1"), testJob(t, "long", "cpu=1"), testJob(t, "short", "cpu=1"))
		l, stop := runLoop(t, s, est, Config{})
		defer stop()
		time.Sleep(2 * time.Second)
		if suspended(s.job(t, "short")) || !suspended(s.job(t, "long")) {
			t.Fatalf("short suspended %t, long suspended %t", suspended(s.job(t, "short")), suspended(s.job(t, "long")))
		}
		t.Log(s.job(t, "short").Annotations, s.job(t, "long").Annotations, s.takeEvents())
		t.Log(l.Waiting(t.Context(), ""))
	})
}

func TestPlansGetTheForecastBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer(t)
		s.create(t, testNode(t, "n1", "cpu=4"))
		forecast := new(scheduler.Forecast)
		var got []*scheduler.Forecast
		_, stop := runPlan(t, s, nil, Config{}, func(s scheduler.Snapshot) scheduler.Schedule {
			got = append(got, s.Forecast)
			plan := shortestFirst(s)
			plan.Forecast = forecast
			return plan
		})
		time.Sleep(time.Minute)
		stop()
		if len(got) < 2 || got[0] != nil || got[1] != forecast {
			t.Errorf("the forecasts were %p, that of every plan was %p", got, forecast)
		}
	})
}
