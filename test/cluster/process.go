package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A process is one program of the cluster. It is killed with this one, whatever
// happens to this one.
type process struct {
	name  string
	path  string
	args  []string
	ready string // URL that answers 200 once it is of use

	dir string // of its log
	cmd *exec.Cmd
	// gone is closed when the process has ended and been reaped.
	gone chan struct{}
}

// start starts the process and waits until it is ready. The error holds the end
// of its log.
func (p *process) start(ctx context.Context, client *http.Client) error {
	log, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Dir = p.dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := onParent(p.cmd.Start); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.gone = make(chan struct{})
	go func() {
		_ = p.cmd.Wait() // how it ended is told by its log
		close(p.gone)
	}()
	if err := p.waitReady(ctx, client); err != nil {
		p.kill()
		return fmt.Errorf("%s: %w\n%s", p.name, err, p.tail())
	}
	return nil
}

func (p *process) waitReady(ctx context.Context, client *http.Client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("no answer yet")
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
		case <-p.gone:
			return fmt.Errorf("ended before it was ready: %v", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w (last: %v)", ctx.Err(), last)
		case <-tick.C:
		}
	}
}

// kill ends the process at once and waits until it is gone.
func (p *process) kill() {
	if p.cmd == nil || p.gone == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended by itself
	<-p.gone
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

// onParent runs f on one thread that lives as long as the program: the kernel
// sends a child its Pdeathsig when the thread that forked it ends.
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
