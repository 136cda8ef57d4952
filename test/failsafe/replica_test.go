package failsafe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/test/cluster/pki"
	"github.com/pillion-dev/pillion/test/serving"
)

// Times that a cluster takes, beside the probe's own: a kubelet looks for ended containers each second, and endpoint
// controllers and kube-proxy take about a second to have a change everywhere.
const (
	relist      = time.Second
	propagation = time.Second
)

// replica is a Pod of the webhook: the real program, with its certificate mounted as a kubelet mounts a Secret.
type replica struct {
	*serving.Webhook
	// secret is the directory of the mounted Secret.
	secret  string
	deleted chan struct{}
	delete  func()
}

// address is where it serves.
func (r *replica) address() string { return "127.0.0.1:" + r.Port() }

// replica starts one with a certificate of the authority and returns when the Service has it.
func (b *bed) replica(t *testing.T, ca *pki.Authority) *replica {
	t.Helper()
	r, err := b.startReplica(t.Context(), ca)
	if err != nil {
		t.Fatal(err)
	}
	b.replicas = append(b.replicas, r)
	go b.follow(r, b.probe(t))
	await(t, "the replica is an endpoint", func() error {
		if !b.service.has(r.address()) {
			return fmt.Errorf("%s is not", r.address())
		}
		return nil
	})
	return r
}

func (b *bed) startReplica(ctx context.Context, ca *pki.Authority) (*replica, error) {
	secret, err := os.MkdirTemp(b.dir, "secret-")
	if err != nil {
		return nil, err
	}
	if err := mount(secret, ca); err != nil {
		return nil, err
	}
	kubeconfig, err := b.kubeconfig(ctx, secret+".kubeconfig")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(secret + ".log")
	if err != nil {
		return nil, err
	}
	w, err := serving.Start(ctx, serving.Config{
		Program: b.webhook, TLSDir: secret, Kubeconfig: kubeconfig, FromCluster: true, Flags: []string{"--own-namespace=" + system}, Log: log,
	})
	if err != nil {
		return nil, err
	}
	r := &replica{Webhook: w, secret: secret, deleted: make(chan struct{})}
	r.delete = sync.OnceFunc(func() { close(r.deleted) })
	return r, nil
}

// kubeconfig writes one for the ServiceAccount that the chart gives the webhook, with no other rights than its.
func (b *bed) kubeconfig(ctx context.Context, path string) (string, error) {
	token, err := b.kube.CoreV1().ServiceAccounts(system).CreateToken(ctx, "pillion", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, serving.TokenKubeconfig(b.control.URL(), b.control.CA(), token.Status.Token), 0o600)
}

// mount writes a new certificate into the directory of a Secret, in one step and by links, as a kubelet does.
func mount(secret string, ca *pki.Authority) error {
	leaf, err := ca.Issue(pki.Server("pillion", serverName, "127.0.0.1"))
	if err != nil {
		return err
	}
	version, err := os.MkdirTemp(secret, "..version-")
	if err != nil {
		return err
	}
	old, _ := os.Readlink(filepath.Join(secret, "..data")) // the first time there is none
	for name, content := range map[string][]byte{"tls.crt": leaf.Cert, "tls.key": leaf.Key, "ca.crt": ca.Cert} {
		if err := os.WriteFile(filepath.Join(version, name), content, 0o600); err != nil {
			return err
		}
	}
	next := filepath.Join(secret, "..data_tmp")
	if err := os.Symlink(filepath.Base(version), next); err != nil {
		return err
	}
	if err := os.Rename(next, filepath.Join(secret, "..data")); err != nil {
		return err
	}
	if old != "" {
		return os.RemoveAll(filepath.Join(secret, old))
	}
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(secret, name)); err != nil {
			return err
		}
	}
	return nil
}

// probe gives the readiness probe of the chart's Deployment.
func (b *bed) probe(t *testing.T) *corev1.Probe {
	t.Helper()
	d, err := b.kube.AppsV1().Deployments(system).Get(t.Context(), "pillion", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d.Spec.Template.Spec.Containers[0].ReadinessProbe
}

// follow keeps a replica among the endpoints while it is ready, as kubelet and endpoint controllers do: a probe decides,
// a container that ended is not ready, and a Pod that is deleted leaves whatever its probe says. Each takes its time.
func (b *bed) follow(r *replica, p *corev1.Probe) {
	defer b.service.remove(r.address())
	client := &http.Client{Timeout: patience} // who is not ready says so at once; on a slow machine all answers are late
	defer client.CloseIdleConnections()
	period := time.NewTicker(time.Duration(p.PeriodSeconds) * time.Second)
	defer period.Stop()
	for failures := int32(0); ; {
		if ready(client, r.MetricsURL+p.HTTPGet.Path) {
			failures = 0
			if !b.service.has(r.address()) {
				b.service.add(r.address())
			}
		} else if failures++; failures == p.FailureThreshold {
			time.Sleep(propagation)
			b.service.remove(r.address())
		}
		select {
		case <-r.deleted:
			time.Sleep(propagation)
			return
		case <-r.Done():
			time.Sleep(relist + propagation)
			return
		case <-period.C:
		}
	}
}

func ready(client *http.Client, url string) bool {
	res, err := client.Get(url)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// served waits until a replica answers with a chain of the authority.
func served(r *replica, ca *pki.Authority) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.Cert)
	return eventually("the new certificate is served", func() error {
		conn, err := tls.Dial("tcp", r.address(), &tls.Config{RootCAs: roots, ServerName: serverName})
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
