package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes"

	"github.com/runcast/runcast/predictor/rpc"
)

// tokenAudience is whom tokens must be made for: one that was made for the API server
// is of no use here, nor the other way round.
const tokenAudience = "runcast"

// How long the API server's answers are used. A permission that is taken away is gone
// after allowedFor; one that is given is there after deniedFor.
const (
	allowedFor = time.Minute
	deniedFor  = 5 * time.Second
	askTimeout = 5 * time.Second
	maxToken   = 16 << 10 // bytes; a longer one is not worth a review
)

// kubeAccess asks Kubernetes who a caller is (TokenReview; a certificate speaks for
// itself, as it does to the API server: its common name is the user, its organizations
// are the groups) and whether RBAC lets him (SubjectAccessReview).
type kubeAccess struct {
	client  kubernetes.Interface
	answers *cache.Expiring // of tokens and permissions, both by what was asked
}

func newKubeAccess(client kubernetes.Interface) *kubeAccess {
	return &kubeAccess{client: client, answers: cache.NewExpiring()}
}

// allow is an rpc.Access.
func (a *kubeAccess) allow(ctx context.Context, caller rpc.Caller, need rpc.Permission) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	user, err := a.user(ctx, caller)
	if err != nil {
		return err
	}
	return a.authorize(ctx, user, need)
}

func (a *kubeAccess) user(ctx context.Context, caller rpc.Caller) (*authenticationv1.UserInfo, error) {
	switch c := caller.Certificate; {
	case caller.Token != "":
		return a.reviewToken(ctx, caller.Token)
	case c != nil:
		return &authenticationv1.UserInfo{Username: c.Subject.CommonName, Groups: c.Subject.Organization}, nil
	}
	return nil, fmt.Errorf("%w: expected a bearer token for the audience %q, or a client certificate", rpc.ErrUnauthenticated, tokenAudience)
}

func (a *kubeAccess) reviewToken(ctx context.Context, token string) (*authenticationv1.UserInfo, error) {
	if len(token) > maxToken {
		return nil, fmt.Errorf("%w: the token has more than %d bytes", rpc.ErrUnauthenticated, maxToken)
	}
	type key [sha256.Size]byte
	asked := key(sha256.Sum256([]byte(token)))
	if known, ok := a.answers.Get(asked); ok {
		return userOf(known.(*authenticationv1.TokenReviewStatus))
	}
	review, err := a.client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{tokenAudience}},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("token review: %w", err)
	}
	user, err := userOf(&review.Status)
	a.answers.Set(asked, &review.Status, keep(err == nil))
	return user, err
}

func userOf(s *authenticationv1.TokenReviewStatus) (*authenticationv1.UserInfo, error) {
	if !s.Authenticated || !slices.Contains(s.Audiences, tokenAudience) {
		return nil, fmt.Errorf("%w: the token is not valid for the audience %q: %s", rpc.ErrUnauthenticated, tokenAudience, cmp.Or(s.Error, "expired, or not of this cluster"))
	}
	return &s.User, nil
}

func (a *kubeAccess) authorize(ctx context.Context, user *authenticationv1.UserInfo, need rpc.Permission) error {
	type key struct{ user, groups, permission string }
	asked := key{user.Username, strings.Join(user.Groups, "\x00"), need.String()}
	allowed, ok := a.answers.Get(asked)
	if !ok {
		extra := map[string]authorizationv1.ExtraValue{}
		for name, value := range user.Extra {
			extra[name] = authorizationv1.ExtraValue(value)
		}
		review, err := a.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: need.Verb, Group: need.Group, Resource: need.Resource, Namespace: need.Namespace,
				},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("subject access review: %w", err)
		}
		allowed = review.Status.Allowed
		a.answers.Set(asked, allowed, keep(review.Status.Allowed))
	}
	if !allowed.(bool) {
		return fmt.Errorf("%w: %s may not %s", rpc.ErrForbidden, user.Username, need)
	}
	return nil
}

func keep(allowed bool) time.Duration {
	if allowed {
		return allowedFor
	}
	return deniedFor
}
