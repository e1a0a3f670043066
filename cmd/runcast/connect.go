package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/runcast/runcast/predictor"
	"github.com/runcast/runcast/predictor/rpc"
)

// remote are the flags of commands that ask a running Runcast.
type remote struct {
	process  string // that serves what is asked; `up` does as well
	server   string
	caFile   string
	certFile string
	keyFile  string
	token    string
	insecure bool
	timeout  time.Duration
}

func (r *remote) flags(cmd *cobra.Command, process string) {
	r.process = process
	f := cmd.Flags()
	f.StringVar(&r.server, "server", defaultServer, "`host:port` of the "+process+", or of up")
	f.StringVar(&r.caFile, "ca-file", "", "PEM `file` of the authorities to trust; turns on TLS")
	f.StringVar(&r.certFile, "cert-file", "", "PEM `file` of this client's certificate")
	f.StringVar(&r.keyFile, "key-file", "", "PEM `file` of the certificate's key")
	cmd.MarkFlagsRequiredTogether("cert-file", "key-file")
	f.StringVar(&r.token, "token-file", "", "`file` with a token for the audience runcast (kubectl create token --audience runcast)")
	f.BoolVar(&r.insecure, "insecure", false, "talk to a server beyond loopback without TLS")
	f.DurationVar(&r.timeout, "timeout", 10*time.Second, "how long to wait for an answer")
}

func (r *remote) dial(cmd *cobra.Command) (*rpc.Client, error) {
	if r.timeout <= 0 {
		return nil, usagef(cmd, "--timeout: expected a positive duration, got %s", r.timeout)
	}
	c := rpc.ClientConfig{Target: r.server, Insecure: r.insecure, TokenFile: r.token, Timeout: r.timeout}
	if r.caFile != "" || r.certFile != "" {
		c.TLS = &rpc.ClientTLS{CAFile: r.caFile, CertFile: r.certFile, KeyFile: r.keyFile}
	}
	client, err := rpc.Dial(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("%w (see --ca-file, --cert-file and --insecure)", err)
	}
	return client, nil
}

// failed says of an answer that is an error who gave it, or that nobody did.
func (r *remote) failed(err error) error {
	switch {
	case errors.Is(err, predictor.ErrNoModel):
		return fmt.Errorf("%s: %w: nothing has been trained yet (see runcast train --help)", r.server, err)
	case status.Code(err) == codes.Unavailable:
		return fmt.Errorf("no answer from %s (is runcast %s running, or up?): %w", r.server, r.process, err)
	case status.Code(err) == codes.DeadlineExceeded:
		return fmt.Errorf("no answer from %s within %s: %w", r.server, r.timeout, err)
	case status.Code(err) == codes.Unauthenticated:
		return fmt.Errorf("%s: %w (see --token-file and --cert-file)", r.server, err)
	case status.Code(err) == codes.Unimplemented:
		return fmt.Errorf("%s does not answer this, runcast %s does, or up where it is not disabled: %w", r.server, r.process, err)
	}
	return fmt.Errorf("%s: %w", r.server, err)
}

// kubeConfig finds the API server: the given file, else the pod's service
// account, else what kubectl uses.
func kubeConfig(path string) (*rest.Config, error) {
	if path == "" {
		if c, err := rest.InClusterConfig(); err == nil {
			return c, nil
		}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("no Kubernetes API server: there is no service account, no $KUBECONFIG and no ~/.kube/config")
	} else if err != nil {
		return nil, fmt.Errorf("no Kubernetes API server: %w", err)
	}
	return c, nil
}

// controllerConfig is fit for a controller: client-go's own limit of five requests a
// second would throttle it long before the API server does.
func controllerConfig(path string) (*rest.Config, error) {
	c, err := kubeConfig(path)
	if err != nil {
		return nil, err
	}
	c.QPS, c.Burst = 100, 200
	c.UserAgent = "runcast"
	return c, nil
}

func kubeClient(path string) (kubernetes.Interface, error) {
	c, err := controllerConfig(path)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(c)
}

// identity tells this replica from others: in a pod, where the process is 1, the
// pod's name does.
func identity() string {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown-host"
	}
	return fmt.Sprintf("%s_%d", name, os.Getpid())
}
