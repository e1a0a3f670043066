package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// errPortTaken is returned by process.start when somebody else took the port in the meantime.
var errPortTaken = errors.New("port taken")

// errEnded is returned by process.start after process.end.
var errEnded = errors.New("the cluster has been stopped")

// A process is one program of the cluster. It is killed with this one, whatever happens to this one.
type process struct {
	name  string
	path  string
	args  []string
	ready string // URL that answers 200 once it is of use
	// before, if there is one, is done before each start.
	before func(context.Context) error

	dir string // of its log
	log *slog.Logger

	mu    sync.Mutex
	run   *run // the latest, nil before the first
	ended bool // for good
}

// A run is one life of a process.
type run struct {
	cmd    *exec.Cmd
	wanted chan struct{} // closed when its end is wanted
	want   func()
	gone   chan struct{} // closed when it has ended and been reaped
}

// start starts the process and waits until it is ready. The error holds the end of its log.
func (p *process) start(ctx context.Context, client *http.Client) error {
	if p.before != nil {
		if err := p.before(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	r, err := p.spawn()
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	if err := p.waitReady(ctx, client, r); err != nil {
		r.kill()
		tail := p.tail()
		if strings.Contains(tail, "address already in use") {
			err = errors.Join(errPortTaken, err)
		}
		return fmt.Errorf("%s: %w\n%s", p.name, err, tail)
	}
	return nil
}

func (p *process) spawn() (*run, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil, errEnded
	}
	log, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(p.path, p.args...) // it outlives the context of its start
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = p.dir
	cmd.SysProcAttr = diesWithParent()
	if err := onParent(cmd.Start); err != nil {
		return nil, err
	}
	wanted := make(chan struct{})
	p.run = &run{cmd: cmd, wanted: wanted, want: sync.OnceFunc(func() { close(wanted) }), gone: make(chan struct{})}
	go p.reap(p.run)
	return p.run, nil
}

// reap waits for the end of a run, and tells of one that nobody wanted.
func (p *process) reap(r *run) {
	err := r.cmd.Wait()
	close(r.gone)
	select {
	case <-r.wanted:
	default:
		p.log.Error("program ended by itself", "program", p.name, "end", err, "log", p.logPath())
	}
}

func (p *process) waitReady(ctx context.Context, client *http.Client, r *run) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.ready, nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err != nil {
			last = err
		} else {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			last = fmt.Errorf("%s answers %s", p.ready, resp.Status)
		}
		select {
		case <-r.gone:
			return fmt.Errorf("ended before it was ready: %v", r.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w (last: %w)", ctx.Err(), last)
		case <-tick.C:
		}
	}
}

// kill ends the present run at once and waits until it is gone.
func (p *process) kill() {
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	if r != nil {
		r.kill()
	}
}

// interrupt asks the present run to end, and waits until it has with exit code 0.
func (p *process) interrupt(ctx context.Context) error {
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	r.want()
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	select {
	case <-r.gone:
	case <-ctx.Done():
		return fmt.Errorf("%s: interrupted, and still there: %w", p.name, ctx.Err())
	}
	if !r.cmd.ProcessState.Success() {
		return fmt.Errorf("%s: interrupted, %v\n%s", p.name, r.cmd.ProcessState, p.tail())
	}
	return nil
}

// end kills the process and lets it start no more.
func (p *process) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.kill()
}

func (r *run) kill() {
	r.want()
	_ = r.cmd.Process.Kill() // an error says that it has ended already
	<-r.gone
}

func (p *process) logPath() string { return filepath.Join(p.dir, p.name+".log") }

func (p *process) tail() string {
	b, err := os.ReadFile(p.logPath())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// onParent runs f on one thread that lives as long as the program: the kernel kills a child when the thread
// that forked it ends.
func onParent(f func() error) error {
	done := make(chan error)
	parent() <- func() { done <- f() }
	return <-done
}

var parent = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range calls {
			f()
		}
	}()
	return calls
})

// FreePorts finds free ports of loopback, all different, one for each name. Another program may take one before it is
// used.
func FreePorts(names ...string) (map[string]int, error) {
	ports := map[string]int{}
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // only once all are chosen
		ports[name] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
