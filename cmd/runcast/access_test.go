package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/runcast/runcast/predictor/rpc"
)

// An authority answers reviews as the API server does. It counts them.
type authority struct {
	*fake.Clientset
	may     map[string]bool // "user verb resource namespace"
	down    bool
	reviews int
}

func newAuthority() *authority {
	a := &authority{Clientset: fake.NewSimpleClientset(), may: map[string]bool{}}
	a.PrependReactor("create", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		a.reviews++
		if a.down {
			return true, nil, errors.New("connection refused")
		}
		switch r := action.(clienttesting.CreateAction).GetObject().(type) {
		case *authenticationv1.TokenReview:
			name, audience, ok := strings.Cut(r.Spec.Token, "@")
			if ok && audience != "expired" && r.Spec.Audiences[0] == audience {
				r.Status = authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: []string{audience}, User: authenticationv1.UserInfo{Username: name, Groups: []string{"people"}}}
			}
			return true, r, nil
		case *authorizationv1.SubjectAccessReview:
			need := r.Spec.ResourceAttributes
			key := strings.Join([]string{r.Spec.User, need.Verb, need.Resource + "." + need.Group, need.Namespace}, " ")
			r.Status.Allowed = a.may[key] || a.may[strings.Join(append([]string{"group"}, r.Spec.Groups...), ":")]
			return true, r, nil
		}
		return false, nil, nil
	})
	return a
}

func TestKubeAccess(t *testing.T) {
	a := newAuthority()
	a.may["ann get jobs.batch ml"] = true
	a.may["group:admins"] = true
	access := newKubeAccess(a).allow
	job := rpc.Permission{Verb: "get", Group: "batch", Resource: "jobs", Namespace: "ml"}
	model := rpc.Permission{Verb: "create", Group: "runcast.dev", Resource: "models"}
	certificate := func(name string, groups ...string) rpc.Caller {
		return rpc.Caller{Certificate: &x509.Certificate{Subject: pkix.Name{CommonName: name, Organization: groups}}}
	}
	for _, c := range []struct {
		name   string
		caller rpc.Caller
		need   rpc.Permission
		want   error
	}{
		{"nobody", rpc.Caller{}, job, rpc.ErrUnauthenticated},
		{"a token for another", rpc.Caller{Token: "ann@kubernetes"}, job, rpc.ErrUnauthenticated},
		{"a token of yesterday", rpc.Caller{Token: "ann@expired"}, job, rpc.ErrUnauthenticated},
		{"a huge token", rpc.Caller{Token: strings.Repeat("x", maxToken+1)}, job, rpc.ErrUnauthenticated},
		{"one's own", rpc.Caller{Token: "ann@runcast"}, job, nil},
		{"not one's own", rpc.Caller{Token: "bob@runcast"}, job, rpc.ErrForbidden},
		{"another permission", rpc.Caller{Token: "ann@runcast"}, model, rpc.ErrForbidden},
		{"a certificate", certificate("ann"), job, nil},
		{"a certificate of a stranger", certificate("mallory"), job, rpc.ErrForbidden},
		{"a certificate of a group", certificate("eve", "admins"), model, nil},
		{"a token goes before a certificate", rpc.Caller{Token: "bob@runcast", Certificate: certificate("ann").Certificate}, job, rpc.ErrForbidden},
	} {
		err := access(t.Context(), c.caller, c.need)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && c.caller.Token != "" && strings.Contains(err.Error(), c.caller.Token) {
			t.Errorf("%s: the error tells the token: %v", c.name, err)
		}
	}
	a.down = true
	if err := access(t.Context(), rpc.Caller{Token: "carl@runcast"}, job); err == nil || errors.Is(err, rpc.ErrUnauthenticated) || errors.Is(err, rpc.ErrForbidden) {
		t.Errorf("without an API server: %v, want that it cannot be decided", err)
	}
}

// Answers are used for a while; a permission that is taken away is gone after it.
func TestKubeAccessRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		access := newKubeAccess(a).allow
		ann, job := rpc.Caller{Token: "ann@runcast"}, rpc.Permission{Verb: "get", Group: "batch", Resource: "jobs", Namespace: "ml"}
		check := func(step string, want error, reviews int) {
			t.Helper()
			before := a.reviews
			if err := access(t.Context(), ann, job); !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("%s: %v, want %v", step, err, want)
			}
			if got := a.reviews - before; got != reviews {
				t.Errorf("%s: %d reviews, want %d", step, got, reviews)
			}
		}
		check("at first", rpc.ErrForbidden, 2)
		a.may["ann get jobs.batch ml"] = true
		check("a moment after it was given", rpc.ErrForbidden, 0)
		time.Sleep(deniedFor + time.Second)
		check("later", nil, 1)
		a.may, a.down = map[string]bool{}, true
		check("while the API server is away", nil, 0)
		a.down = false
		time.Sleep(allowedFor + time.Second)
		check("long after it was taken away", rpc.ErrForbidden, 2)
	})
}
