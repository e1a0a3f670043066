package rpc

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are a server's. Methods are those registered (gRPC refuses others before
// they are counted) and codes those of gRPC, which bounds the number of series.
type metrics struct {
	requests   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	handshakes prometheus.Counter // that failed
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runcast_rpc_requests_total",
			Help: "Finished gRPC calls and streams by method and status code.",
		}, []string{"method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "runcast_rpc_request_duration_seconds",
			Help:    "Time to handle a unary gRPC call, without the network.",
			Buckets: prometheus.ExponentialBuckets(25e-6, 4, 10), // 25 µs to 6.6 s
		}, []string{"method"}),
		handshakes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "runcast_rpc_failed_handshakes_total",
			Help: "Connections to the gRPC server that ended in their TLS handshake: no TLS, or no certificate that is trusted.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.handshakes} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// methodLabel shortens "/runcast.v1.PredictorService/Predict" to "PredictorService/Predict".
func methodLabel(full string) string {
	service, method, _ := strings.Cut(strings.TrimPrefix(full, "/"), "/")
	return service[strings.LastIndexByte(service, '.')+1:] + "/" + method
}
