package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/runcast/runcast/collector/trace"
	"github.com/runcast/runcast/predictor"
)

// The scripts in testdata run the real program, each command in a process of its
// own, in a directory of the script's. Beside testscript's own commands there are
//
//	fails CODE command args…   the command exits with CODE, and prints nothing on stdout
//	json command args…         the command exits with 0, and prints exactly one JSON object
//	eventually command args…   the command exits with 0, if not at once then within a minute
//	shows URL REGEXP           the page matches, if not at once then within a minute
//	match NAME REGEXP          sets $NAME to what the first group matches on the last stdout
//	expand FILE                replaces $NAME in the file by the variable's value
//	history FILE N             writes a CSV of N finished jobs
//	halve FILE                 cuts the second half of the file off
//
// $GRPC, $METRICS and $NOBODY are addresses on loopback that nobody listens on yet.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"GRPC", "METRICS", "NOBODY"} {
				l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				env.Setenv(name, l.Addr().String())
				if err := l.Close(); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails": fails, "json": onlyJSON, "eventually": eventually, "history": history, "halve": halve, "shows": shows, "expand": expand, "match": match,
		},
	})
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"runcast": main})
}

func fails(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("expected exit status %s, got %v", args[0], err)
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("expected nothing on stdout, got %q", out)
	}
}

func onlyJSON(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec(args[0], args[1:]...))
	var object map[string]any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &object); err != nil {
		ts.Fatalf("expected one JSON object on stdout: %v", err)
	}
}

func eventually(ts *testscript.TestScript, _ bool, args []string) {
	await(ts, func() error { return ts.Exec(args[0], args[1:]...) })
}

func shows(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[1])
	await(ts, func() error {
		page, err := http.Get(args[0])
		if err != nil {
			return err
		}
		defer page.Body.Close()
		body, err := io.ReadAll(page.Body)
		if err == nil && !want.Match(body) {
			err = fmt.Errorf("%s: no match for %s in %s", args[0], want, body)
		}
		return err
	})
}

func await(ts *testscript.TestScript, try func() error) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := try()
		if err == nil || time.Now().After(deadline) {
			ts.Check(err)
			return
		}
	}
}

func match(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("no match for %s in %s", args[1], ts.ReadFile("stdout"))
	}
	ts.Setenv(args[0], found[1])
}

func expand(ts *testscript.TestScript, _ bool, args []string) {
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// history makes up jobs of two kinds, one after the other: a nightly one of some
// ten minutes, and one whose runtime grows with its input.
func history(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	w, err := trace.NewWriter(f, []string{"epochs"})
	ts.Check(err)
	for i := range n {
		at := time.Unix(1_700_000_000+int64(i)*3600, 0)
		r := predictor.JobRecord{
			JobSpec: predictor.JobSpec{
				ID: fmt.Sprintf("job-%d", i), Submitted: at, Namespace: "data", User: "ann", Name: "nightly", Pods: 1,
				Requests: predictor.Resources{CPUCores: 2, Memory: 4 * predictor.GiB}, RuntimeLimit: 4 * time.Hour,
			},
			Started: at.Add(time.Minute), Outcome: predictor.Succeeded,
		}
		runtime := 10*time.Minute + time.Duration(i%5)*time.Second
		if i%2 == 1 {
			epochs := float64(1 + i%4)
			r.Name, r.Features = "train", map[string]predictor.Feature{"epochs": {Number: epochs}}
			runtime = time.Duration(epochs) * 7 * time.Minute
		}
		r.PeakMemory, r.Finished = predictor.GiB+predictor.Bytes(i%7)<<20, r.Started.Add(runtime)
		ts.Check(w.Write(&r))
	}
	ts.Check(w.Flush())
}

func halve(ts *testscript.TestScript, _ bool, args []string) {
	b := ts.ReadFile(args[0])
	ts.Check(os.Truncate(ts.MkAbs(args[0]), int64(len(b)/2)))
}
