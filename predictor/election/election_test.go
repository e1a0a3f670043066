package election_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/kubernetes/fake"

	"github.com/runcast/runcast/predictor/election"
)

// Of two replicas one acts at a time: the second not before the first has finished what it
// was at, and then within a retry, long before the Lease has run out.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewSimpleClientset()
		acting, acted := "", []string{}
		run := func(name string) (stop func()) {
			e, err := election.New(election.Config{Namespace: "runcast", Name: "scheduler", Identity: name}, client, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			over := make(chan struct{})
			go func() {
				defer close(over)
				e.Run(ctx, func(term context.Context) {
					if acting != "" {
						t.Errorf("%s acts beside %s", name, acting)
					}
					acting, acted = name, append(acted, name)
					<-term.Done()
					time.Sleep(time.Minute) // renewing its Lease
					acting = ""
				})
			}()
			return func() { cancel(); <-over }
		}
		stopA := run("a")
		time.Sleep(5 * time.Second)
		stopB := run("b")
		time.Sleep(5 * time.Minute)
		if got := strings.Join(acted, " "); got != "a" {
			t.Errorf("acted: %q, want a alone", got)
		}
		stopA()
		time.Sleep(5 * time.Second)
		if got := strings.Join(acted, " "); got != "a b" {
			t.Errorf("acted: %q, want b after a", got)
		}
		stopB()
	})
}

// One replica alone needs no Lease, nor an API server.
func TestAlone(t *testing.T) {
	e, err := election.New(election.Config{Identity: "a"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	acted := false
	e.Run(t.Context(), func(context.Context) { acted = true })
	if !acted {
		t.Error("it does not act")
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []election.Config{{Name: "x", Identity: "a"}, {Namespace: "x", Identity: "a"}, {Namespace: "x", Name: "x"}} {
		if _, err := election.New(c, fake.NewSimpleClientset(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "expected the Lease's namespace and name") {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}
