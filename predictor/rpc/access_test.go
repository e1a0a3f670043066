package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/runcast/runcast/predictor"
)

// A guard is an Access: by token, what its bearer may do. It notes what it was asked.
type guard struct {
	may   map[string][]string
	mu    sync.Mutex
	asked []string
}

func (g *guard) allow(_ context.Context, c Caller, need Permission) error {
	g.mu.Lock()
	g.asked = append(g.asked, need.String())
	g.mu.Unlock()
	if c.Certificate != nil {
		return fmt.Errorf("%w: %s may not %s", ErrForbidden, c.Certificate.Subject.CommonName, need)
	}
	may, known := g.may[c.Token]
	switch {
	case c.Token == "broken":
		return errors.New("the API server is away: secret details")
	case !known:
		return fmt.Errorf("%w: an unknown token", ErrUnauthenticated)
	case !slices.Contains(may, need.String()):
		return fmt.Errorf("%w: may not %s", ErrForbidden, need)
	}
	return nil
}

func tokenIn(t *testing.T, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestEveryMethodHasAPermission(t *testing.T) {
	l := newLink(t, func(s *Server) {
		s.RegisterEstimator(&oracle{})
		s.RegisterQueue(newLine())
		s.RegisterHistory(nil)
		s.RegisterModels(nil)
		s.RegisterBackup(nil)
	})
	methods := 0
	for m := range l.methods() {
		methods++
		if _, ok := permission(m, nil); ok == open(m) {
			t.Errorf("%s: a permission %t, open %t", m, ok, open(m))
		}
	}
	if methods < len(permissions) {
		t.Errorf("%d methods, %d permissions", methods, len(permissions))
	}
}

func TestAccess(t *testing.T) {
	g := &guard{may: map[string][]string{
		"scheduler": {"create estimates.runcast.dev in all namespaces"},
		"ann":       {"get jobs.batch in namespace ann", "list jobs.batch in namespace ann", "watch jobs.batch in namespace ann"},
		"stranger":  nil,
	}}
	l := newLink(t, func(s *Server) {
		s.RegisterEstimator(&oracle{})
		s.RegisterQueue(newLine(predictor.QueueEntry{Namespace: "ann", Name: "a"}, predictor.QueueEntry{Namespace: "bob", Name: "b"}))
		s.RegisterModels(nil) // nobody gets as far as this
		s.RegisterHistory(nil)
		s.RegisterBackup(nil)
	}, func(c *linkConfig) { c.server.Access = g.allow })

	if _, err := healthpb.NewHealthClient(l.conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("health: %v", err)
	}
	if n := testutil.CollectAndCount(l.server.metrics.requests); n != 1+2*len(permissions) {
		t.Errorf("%d series after the first call, want its own, and one of each refusal of each of %d methods", n, len(permissions))
	}
	estimate := func(c *Client) error {
		_, err := c.Estimator().Estimate(t.Context(), someJobs(1))
		return err
	}
	eta := func(namespace, name string) func(*Client) error {
		return func(c *Client) error {
			_, err := c.Queue().ETA(t.Context(), namespace, name)
			return err
		}
	}
	list := func(namespace string) func(*Client) error {
		return func(c *Client) error {
			_, err := c.Queue().Waiting(t.Context(), namespace)
			return err
		}
	}
	watch := func(namespace string) func(*Client) error {
		return func(c *Client) error {
			for _, err := range c.Queue().WatchWaiting(t.Context(), namespace) {
				return err
			}
			return nil
		}
	}
	records := func(c *Client) error {
		for _, err := range c.History().Records(t.Context(), time.Time{}, time.Time{}) {
			return err
		}
		return nil
	}
	publish := func(c *Client) error {
		return c.Models().Publish(t.Context(), predictor.ModelInfo{Version: "m"}, strings.NewReader("model"))
	}
	backUp := func(c *Client) error { return c.BackUp(t.Context(), io.Discard) }
	for _, tt := range []struct {
		name, token string
		call        func(*Client) error
		want        codes.Code
	}{
		{"no token", "", estimate, codes.Unauthenticated},
		{"an unknown token", "forged", estimate, codes.Unauthenticated},
		{"a stranger", "stranger", estimate, codes.PermissionDenied},
		{"another's token", "ann", estimate, codes.PermissionDenied},
		{"the scheduler", "scheduler", estimate, codes.OK},
		{"the scheduler is not to publish", "scheduler", publish, codes.PermissionDenied},
		{"nor to read the history", "scheduler", records, codes.PermissionDenied},
		{"nor to copy it", "scheduler", backUp, codes.PermissionDenied},
		{"one's own job", "ann", eta("ann", "a"), codes.OK},
		{"another namespace's job", "ann", eta("bob", "b"), codes.PermissionDenied},
		{"one's own queue", "ann", list("ann"), codes.OK},
		{"everyone's queue", "ann", list(""), codes.PermissionDenied},
		{"a watch of one's own", "ann", watch("ann"), codes.OK},
		{"a watch of another's", "ann", watch("bob"), codes.PermissionDenied},
		{"who cannot be asked about", "broken", estimate, codes.Unavailable},
	} {
		client := l.Client
		if tt.token != "" {
			client = l.dial(t, ClientConfig{Target: "passthrough:///localhost", TokenFile: tokenIn(t, tt.token)})
		}
		err := tt.call(client)
		if status.Code(err) != tt.want {
			t.Errorf("%s: %v, want code %v", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the client is told %v", tt.name, err)
		}
		if client != l.Client {
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	log := l.log.String()
	for _, want := range []string{"level=WARN msg=rpc method=PredictorService/PredictBatch code=Unauthenticated", "may not get jobs.batch in namespace bob", "level=ERROR msg=rpc method=PredictorService/PredictBatch code=Unavailable", "secret details"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not have %q:\n%s", want, log)
		}
	}
	for token := range g.may {
		if strings.Contains(log, "Bearer") || strings.Contains(log, `"`+token+`"`) {
			t.Errorf("the log has the token %s", token)
		}
	}
	if n := testutil.ToFloat64(l.server.metrics.requests.WithLabelValues("QueueService/GetEta", "PermissionDenied")); n != 1 {
		t.Errorf("%v refusals counted, want 1", n)
	}
}

// A verified client certificate reaches the Access.
func TestAccessSeesCertificates(t *testing.T) {
	ca := newAuthority(t, "ca")
	serverCert, serverKey := ca.issue(t, t.TempDir(), "server")
	clientCert, clientKey := ca.issue(t, t.TempDir(), "mallory")
	g := &guard{}
	l := newLink(t, withOracle(&oracle{}), func(c *linkConfig) {
		c.server.TLS = &ServerTLS{CertFile: serverCert, KeyFile: serverKey, ClientCAFile: ca.file}
		c.server.Access = g.allow
	})
	err := l.estimate(t, ClientConfig{TLS: &ClientTLS{CAFile: ca.file, CertFile: clientCert, KeyFile: clientKey}})
	if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "mallory may not") {
		t.Errorf("%v, want mallory refused", err)
	}
}

// Tokens are read anew for each call, and are never sent in the clear.
func TestTokenFile(t *testing.T) {
	g := &guard{may: map[string][]string{"second": {"create estimates.runcast.dev in all namespaces"}}}
	l := newLink(t, withOracle(&oracle{}), func(c *linkConfig) { c.server.Access = g.allow })
	file := tokenIn(t, "first")
	client := l.dial(t, ClientConfig{Target: "passthrough:///localhost", TokenFile: file})
	defer client.Close()
	if _, err := client.Estimator().Estimate(t.Context(), someJobs(1)); status.Code(err) != codes.Unauthenticated {
		t.Errorf("with the first token: %v", err)
	}
	if err := os.WriteFile(file, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Estimator().Estimate(t.Context(), someJobs(1)); err != nil {
		t.Errorf("with the second: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Estimator().Estimate(t.Context(), someJobs(1)); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("without a file: %v", err)
	}
}
