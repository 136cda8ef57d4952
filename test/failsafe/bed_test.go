package failsafe

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pillion-dev/pillion/test/cluster"
	"github.com/pillion-dev/pillion/test/cluster/pki"
	"github.com/pillion-dev/pillion/test/serving"
	_ "github.com/pillion-dev/pillion/webhook" // what the program under test is made of
)

const (
	chartDir = "../../charts/pillion"
	system   = "pillion-system"
	// serverName is who the webhook is in its certificate, as the API server calls it through a Service.
	serverName = "pillion." + system + ".svc"

	inject  = "pillion.dev/inject"
	policy  = "pillion.dev/failure-policy"
	label   = "pillion.dev/injection"
	sidecar = "rider"
)

// excluded are Namespaces that the installed chart leaves alone.
var excluded = func() (names []string) {
	for i := range 24 {
		names = append(names, fmt.Sprintf("left-alone-%d", i))
	}
	return names
}()

// bed is the control plane that the tests share: the chart is installed on it by helm, its Service is the balancer of
// this package, and each test says which replicas stand behind that.
type bed struct {
	control *cluster.Cluster
	kube    kubernetes.Interface
	service *service
	ca      *pki.Authority
	// webhook is the program, built once; helm too.
	webhook, helm, dir string
	replicas           []*replica
	// installed is the chart's timeout of the webhook, in seconds; timeout is the one that register gives it.
	installed, timeout int32
}

var plane = new(bed)

func TestMain(m *testing.M) {
	code := m.Run()
	plane.end()
	os.Exit(code)
}

func (b *bed) end() {
	for _, r := range b.replicas {
		r.Stop()
	}
	if b.service != nil {
		b.service.close()
	}
	if b.control != nil {
		b.control.Stop()
	}
	_ = os.RemoveAll(b.dir)
}

var started = sync.OnceValue(func() error { return plane.start() })

// use starts the bed where no test has.
func use(t *testing.T) *bed {
	t.Helper()
	if err := started(); err != nil {
		t.Fatal(err)
	}
	return plane
}

func (b *bed) start() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // a cold build of the programs
	defer cancel()
	if b.dir, err = os.MkdirTemp("", "pillion-failsafe-"); err != nil {
		return err
	}
	bin, err := cluster.Build(ctx, os.Stderr, "helm", "kubectl")
	if err != nil {
		return err
	}
	b.helm = filepath.Join(bin, "helm")
	if b.webhook, err = serving.BuildWebhook(ctx, b.dir); err != nil {
		return err
	}
	if b.ca, err = pki.NewAuthority("failsafe-ca-1"); err != nil {
		return err
	}
	if b.service, err = listen(); err != nil {
		return err
	}
	if err := b.bringUp(ctx); err != nil {
		return err
	}
	return b.install(ctx)
}

// bringUp starts the control plane, or starts it again with the data that it had.
func (b *bed) bringUp(ctx context.Context) (err error) {
	if b.control, err = cluster.Start(ctx, cluster.Config{Dir: filepath.Join(b.dir, "cluster"), Log: os.Stderr}); err != nil {
		return err
	}
	config, err := b.config()
	if err != nil {
		return err
	}
	b.kube, err = kubernetes.NewForConfig(config)
	return err
}

// config reaches the API server as the administrator, at any rate and without telling of warnings.
func (b *bed) config() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", b.control.Kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	return config, nil
}

// install has helm install the chart, with certificates that are provided. Entries can be written without the controller.
func (b *bed) install(ctx context.Context) error {
	values := filepath.Join(b.dir, "values.yaml")
	text := fmt.Sprintf("certs: {mode: provided, provided: {webhookSecret: a, controllerSecret: b, caBundle: %q}}\n"+
		"admission: {proveEntries: false, adviseWorkloads: false, excludedNamespaces: [%s]}\n", b.ca.Cert, strings.Join(excluded, ", "))
	if err := os.WriteFile(values, []byte(text), 0o600); err != nil {
		return err
	}
	if _, err := b.run(ctx, b.helm, "install", "pillion", chartDir, "--create-namespace", "--namespace", system, "--values", values); err != nil {
		return err
	}
	// The chart's Service is a name for the balancer, at the port that register gives.
	service := []byte(`{"spec":{"type":"ExternalName","externalName":"127.0.0.1","selector":null,"clusterIP":null,"clusterIPs":null}}`)
	if _, err := b.kube.CoreV1().Services(system).Patch(ctx, "pillion", types.MergePatchType, service, metav1.PatchOptions{}); err != nil {
		return err
	}
	if err := b.entry(ctx, 1); err != nil {
		return err
	}
	config, err := b.kube.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, "pillion", metav1.GetOptions{})
	if err != nil {
		return err
	}
	b.installed, b.timeout = *config.Webhooks[0].TimeoutSeconds, patient
	return b.register(ctx, byService(b.service.port(), b.ca.Cert))
}

// patient is the timeout of a test that is not about time, the longest that there is: a slow machine loses no Pod by it.
const patient = 30

// run runs a program of the bed against the API server, away from the user's own settings, and gives what it prints.
func (b *bed) run(ctx context.Context, program string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"HOME=" + b.dir, "PATH=" + filepath.Dir(b.helm) + ":" + os.Getenv("PATH"), "KUBECONFIG=" + b.control.Kubeconfig()}
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, out.String())
	}
	return out.String(), nil
}

// entry writes the sidecar that Pods of the tests ask for, at a revision.
func (b *bed) entry(ctx context.Context, revision int) error {
	text := fmt.Appendf(nil, `{"apiVersion":"pillion.dev/v1alpha1","kind":"ClusterSidecar","metadata":{"name":%q},"spec":{"description":"An entry of the tests.",
		"containers":[{"name":%q,"image":"rider:%d","resources":{"requests":{"cpu":"10m","memory":"16Mi"},"limits":{"cpu":"100m","memory":"32Mi"}}}]}}`, sidecar, sidecar, revision)
	return eventually("the entry is written", func() error {
		return b.kube.CoreV1().RESTClient().Patch(types.ApplyPatchType).AbsPath("/apis/pillion.dev/v1alpha1/clustersidecars/"+sidecar).
			Param("fieldManager", "test").Param("force", "true").Body(text).Do(ctx).Error()
	})
}

// registration is the clientConfig of the chart's three webhooks: the address, without the path, and the CA.
type registration func(path string) string

// byService is how the chart has it, but for the port: the API server speaks HTTP/1.1 and opens connections as it needs.
func byService(port int, ca []byte) registration {
	return func(path string) string {
		return fmt.Sprintf(`{"url":null,"service":{"namespace":%q,"name":"pillion","path":%q,"port":%d},"caBundle":%q}`, system, path, port, base64.StdEncoding.EncodeToString(ca))
	}
}

// byURL has the API server speak HTTP/2, by one connection, which it does with webhooks on its own host only.
func byURL(port int, ca []byte) registration {
	return func(path string) string {
		return fmt.Sprintf(`{"service":null,"url":"https://127.0.0.1:%d%s","caBundle":%q}`, port, path, base64.StdEncoding.EncodeToString(ca))
	}
}

// register has the API server call the webhook in that way.
func (b *bed) register(ctx context.Context, r registration) error {
	var webhooks []string
	for name, path := range map[string]string{"pods": "/mutate", "enabled": "/mutate", "required": "/mutate/required"} {
		webhooks = append(webhooks, fmt.Sprintf(`{"name":"%s.pillion.dev","timeoutSeconds":%d,"clientConfig":%s}`, name, b.timeout, r(path)))
	}
	patch := []byte(`{"webhooks":[` + strings.Join(webhooks, ",") + `]}`)
	_, err := b.kube.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(ctx, "pillion", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	return err
}

// namespace makes a Namespace that Pods can be created in.
func (b *bed) namespace(t *testing.T, name string, labels, annotations map[string]string) string {
	t.Helper()
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: annotations}}
	if _, err := b.kube.CoreV1().Namespaces().Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	if _, err := b.kube.CoreV1().ServiceAccounts(name).Create(t.Context(), account, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	await(t, "the Namespace takes Pods", func() error {
		_, err := b.create(t.Context(), name, pod(nil), true)
		if apierrors.IsNotFound(err) {
			return err
		}
		return nil
	})
	return name
}

// create creates a Pod, for real or in a dry run.
func (b *bed) create(ctx context.Context, namespace string, p *corev1.Pod, dry bool) (*corev1.Pod, error) {
	var o metav1.CreateOptions
	if dry {
		o.DryRun = []string{metav1.DryRunAll}
	}
	return b.kube.CoreV1().Pods(namespace).Create(ctx, p, o)
}

// pod gives a Pod of one container that no scheduler takes.
func pod(annotations map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "p-", Annotations: annotations},
		Spec:       corev1.PodSpec{SchedulerName: "none", Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
	}
}

// asking is the annotation by which Pods of the tests ask.
func asking() map[string]string { return map[string]string{inject: sidecar} }

// injected reports whether a Pod has its sidecar and is marked so.
func injected(p *corev1.Pod) bool {
	for i := range p.Spec.InitContainers {
		if p.Spec.InitContainers[i].Name == sidecar {
			return p.Labels["pillion.dev/injected"] == "true"
		}
	}
	return false
}

// By these words a refusal is known: the policy's, and the API server's own where a webhook must answer.
const (
	byPolicy     = "pillion: sidecars asked for but not injected: "
	wantsWebhook = `failed calling webhook "required.pillion.dev"`
)

// patience is the time after which something does not come any more; a slow machine needs some.
const patience = 5 * time.Minute

// eventually calls try until it gives no error, for as long as patience lasts.
func eventually(what string, try func() error) error {
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = try(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("not after %s: %s: %w", patience, what, err)
}

func await(t *testing.T, what string, try func() error) {
	t.Helper()
	if err := eventually(what, try); err != nil {
		t.Fatal(err)
	}
}

// inForce waits until a Pod that asks is injected: the API server takes up a configuration a moment after it is stored.
func (b *bed) inForce(t *testing.T) {
	t.Helper()
	await(t, "a Pod is injected", func() error {
		p, err := b.create(t.Context(), "default", pod(asking()), true)
		if err == nil && !injected(p) {
			err = errors.New("it is bare")
		}
		return err
	})
}

// down waits until a Pod that asks is refused by the policy.
func (b *bed) down(t *testing.T) {
	t.Helper()
	await(t, "a Pod is refused by the policy", func() error {
		_, err := b.create(t.Context(), "default", pod(asking()), true)
		if err == nil || !strings.Contains(err.Error(), byPolicy) {
			return errors.New(fmt.Sprint("it gets ", err))
		}
		return nil
	})
}

// proving says that the large counts are asked for.
var proving = os.Getenv("PILLION_PROVE") != ""

// count gives a large count, or a tenth of it where it is not asked for.
func count(n int) int {
	if proving {
		return n
	}
	return n / 10
}
