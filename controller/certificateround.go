package controller

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/certs"
)

// certificateRound is one look at everything. What leads to a decision is read in this order: configurations, serving
// Secrets, CA last. Each write is refused by the API server where its object was changed since it was read. So a replica that
// knows an old CA cannot overwrite what one that knows a newer one has written: that one wrote the CA first.
type certificateRound struct {
	*Certificates
	found     []*configuration
	serving   map[string]*corev1.Secret
	authority *certs.Authority
	now       time.Time
	next      time.Duration
	good      map[string]bool
}

func (r *certificateRound) run(ctx context.Context) (errs []error) {
	errs = append(errs, r.read(ctx)...)
	if err := r.readAuthority(ctx); err != nil {
		return append(errs, err)
	}
	placed := true
	for _, c := range r.found {
		if err := r.place(ctx, c); err != nil {
			placed, errs = false, append(errs, err)
		}
	}
	id := ""
	if placed {
		id = r.authority.ID()
	}
	wait := r.Settle - r.inPlace.lasts(id)
	for _, name := range slices.Sorted(maps.Keys(r.serving)) {
		errs = append(errs, r.renew(ctx, name, placed, wait))
	}
	return errs
}

// read reads what is there, but for the CA.
func (r *certificateRound) read(ctx context.Context) (errs []error) {
	for resource, names := range r.configurations() {
		for _, name := range names {
			c, err := readConfiguration(ctx, r.objects.Resource(resource), name)
			switch {
			case apierrors.IsNotFound(err):
				errs = append(errs, fmt.Errorf("%s %s is not there: install the chart again", resource.Resource, name))
			case err != nil:
				errs = append(errs, fmt.Errorf("%s %s: %w", resource.Resource, name, err))
			default:
				r.found = append(r.found, c)
			}
		}
	}
	r.serving, r.good = map[string]*corev1.Secret{}, map[string]bool{}
	for name := range r.Serving {
		secret, err := r.secret(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r.serving[name] = secret
	}
	return errs
}

func (r *certificateRound) secret(ctx context.Context, name string) (*corev1.Secret, error) {
	secret, err := r.secrets.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("secret %s/%s is not there, and making Secrets is no right of mine: install the chart again", r.Namespace, name)
	case err != nil:
		return nil, fmt.Errorf("secret %s/%s: %w", r.Namespace, name, err)
	}
	return secret, nil
}

// readAuthority reads the CA, and has a new one made, or old ones dropped, where that is due. From here on the time is known
// too: that of the API server, which is who has to find the certificates valid.
func (r *certificateRound) readAuthority(ctx context.Context) error {
	secret, err := r.secret(ctx, r.Authority)
	if err != nil {
		return err
	}
	r.now = r.clock.now()
	a, bad := certs.AuthorityFrom(secret.Data)
	why := a.Due(r.now)
	if bad != nil {
		why = bad.Error()
	}
	if len(secret.Data) == 0 && secret.Annotations[authorityMade] == "" {
		a = r.inherit(a)
	}
	next := a
	if why != "" {
		next, err = a.Renew(r.Lifetimes.CA, r.now)
	} else if why = r.prune(a, &next); why == "" && !bytes.Equal(secret.Data[certs.CAFile], a.Bundle()) {
		why = "its list of trusted CAs was changed"
	}
	if err == nil && why != "" {
		err = r.writeAuthority(ctx, secret, next, why)
	}
	if err != nil {
		return fmt.Errorf("CA in Secret %s/%s: %w", r.Namespace, r.Authority, err)
	}
	r.authority = next
	return nil
}

// inherit gives the Authority of a Secret that is new, which trusts whom the configurations trust: what others signed is served
// until the Pods are rolled out, where the mode is changed in an upgrade or the Secret was lost.
func (r *certificateRound) inherit(a *certs.Authority) *certs.Authority {
	for _, c := range r.found {
		for _, bundle := range c.bundles {
			a = a.Trusting(bundle, r.now)
		}
	}
	return a
}

func (r *certificateRound) writeAuthority(ctx context.Context, secret *corev1.Secret, a *certs.Authority, why string) error {
	data, err := a.Data()
	if err != nil {
		return err
	}
	secret.Data = data
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, authorityMade, "true")
	if _, err = r.secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: certificateManager}); err == nil {
		r.renewed(renewedCA, secret.Name, why)
	}
	return err
}

// prune drops CAs that nobody needs any more, and says so.
func (r *certificateRound) prune(a *certs.Authority, into **certs.Authority) string {
	var inUse []*certs.Files
	id := a.ID()
	for _, secret := range r.serving {
		f := filesOf(secret)
		inUse = append(inUse, f)
		if !a.Signed(f) {
			id = ""
		}
	}
	if r.switched.lasts(id) < r.Settle || id == "" {
		return ""
	}
	*into = a.Prune(inUse, r.Lifetimes.Leaf, r.now)
	if dropped := a.Replaced() - (*into).Replaced(); dropped > 0 {
		return fmt.Sprintf("%d of the CAs before have signed nothing that is still valid", dropped)
	}
	return ""
}

// renew looks after one serving certificate.
func (r *certificateRound) renew(ctx context.Context, name string, placed bool, wait time.Duration) error {
	secret, host, bundle := r.serving[name], r.Serving[name], r.authority.Bundle()
	old := filesOf(secret)
	serves := old.Serves(bundle, host, r.now)
	why := r.authority.LeafDue(old, []string{host}, r.now)
	files := old
	switch {
	case why == "" && bytes.Equal(old.CA, bundle):
		r.good[name] = placed
		return nil
	case why == "":
		why = "the CAs changed"
		files = &certs.Files{Cert: old.Cert, Key: old.Key, CA: bundle}
	case serves == nil && !placed:
		r.good[name] = true
		return nil // what keeps the bundle from its place is an error of its own
	case serves == nil && wait > 0:
		r.good[name] = true
		r.next = min(r.next, wait)
		return nil
	default:
		var err error
		if files, err = r.authority.Issue([]string{host}, r.Lifetimes.Leaf, r.now); err != nil {
			return fmt.Errorf("secret %s/%s: %w", r.Namespace, name, err)
		}
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[certs.CertFile], secret.Data[certs.KeyFile], secret.Data[certs.CAFile] = files.Cert, files.Key, files.CA
	if _, err := r.secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: certificateManager}); err != nil {
		r.good[name] = serves == nil
		return fmt.Errorf("secret %s/%s: %w", r.Namespace, name, err)
	}
	r.good[name] = placed
	what := renewedLeaf
	if bytes.Equal(files.Cert, old.Cert) {
		what = renewedBundle
	}
	r.renewed(what, name, why)
	return nil
}

func filesOf(secret *corev1.Secret) *certs.Files {
	return &certs.Files{Cert: secret.Data[certs.CertFile], Key: secret.Data[certs.KeyFile], CA: secret.Data[certs.CAFile]}
}

// place puts the bundle into every webhook of a configuration.
func (r *certificateRound) place(ctx context.Context, c *configuration) error {
	why, err := c.place(ctx, r.authority.Bundle())
	switch {
	case apierrors.IsInvalid(err) || apierrors.IsConflict(err):
		return fmt.Errorf("%s %s was changed meanwhile: trying again", c.kind, c.name)
	case err != nil:
		return fmt.Errorf("%s %s: %w", c.kind, c.name, err)
	case why != "":
		r.renewed(renewedBundle, c.name, why)
	}
	return nil
}
