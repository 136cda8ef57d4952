package doctor

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/pillion-dev/pillion/certs"
	"github.com/pillion-dev/pillion/cli"
	reports "github.com/pillion-dev/pillion/doctor"
	"github.com/pillion-dev/pillion/live"
	"github.com/pillion-dev/pillion/test/cluster"
	"github.com/pillion-dev/pillion/test/serving"
)

const (
	chartDir  = "../../charts/pillion"
	namespace = "pillion-system"
	// release is the version of the chart, which the program under test says it is too.
	release = "0.1.0"
	// host is the name by which the API server calls the webhook.
	host = "pillion." + namespace + ".svc"
)

// bed is a control plane with Pillion on it. There is no node: the webhook's Service leads to a program on this machine, and
// the Pods of the Deployments are called ready by hand.
type bed struct {
	control    *cluster.Cluster
	bin, dir   string
	webhook    *serving.Webhook
	controller *serving.Controller
	files      *certs.Files
	stop       []func()
}

var plane bed

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range slices.Backward(plane.stop) {
		stop()
	}
	os.Exit(code)
}

// use starts the bed where no test has.
func use(t *testing.T) *bed {
	t.Helper()
	if err := started(); err != nil {
		t.Fatal(err)
	}
	return &plane
}

var started = sync.OnceValue(func() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute) // a cold build
	defer cancel()
	return plane.start(ctx)
})

func (b *bed) start(ctx context.Context) (err error) {
	if b.bin, err = cluster.Build(ctx, os.Stderr, "kubectl", "helm"); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "pillion-doctor-"); err != nil {
		return err
	}
	b.stop = append(b.stop, func() { _ = os.RemoveAll(b.dir) })
	if b.control, err = cluster.Start(ctx, cluster.Config{Log: os.Stderr}); err != nil {
		return err
	}
	b.stop = append(b.stop, b.control.Stop)
	if b.files, err = certs.SelfSigned([]string{host}, nil, 90*24*time.Hour); err != nil {
		return err
	}
	if err := errors.Join(b.files.WriteTo(b.tls()), b.install()); err != nil {
		return err
	}
	b.webhook, err = serving.Start(ctx, serving.Config{Kubeconfig: b.control.Kubeconfig(), FromCluster: true, TLSDir: b.tls(), Flags: []string{"--own-namespace=" + namespace}})
	if err != nil {
		return err
	}
	b.stop = append(b.stop, b.webhook.Stop)
	b.controller, err = serving.StartController(ctx, serving.ControllerConfig{Kubeconfig: b.control.Kubeconfig(), Namespace: namespace})
	if err != nil {
		return err
	}
	b.stop = append(b.stop, b.controller.Stop)
	return b.connect()
}

// tls is the directory that the webhook serves from.
func (b *bed) tls() string { return filepath.Join(b.dir, "tls") }

// values for helm: certificates are provided.
func (b *bed) values() string {
	return fmt.Sprintf("certs: {mode: provided, provided: {webhookSecret: serving, controllerSecret: serving-controller, caBundle: %q}}\n", b.files.CA)
}

// install installs the chart, and what it expects to be there.
func (b *bed) install() error {
	values := filepath.Join(b.dir, "values.yaml")
	if err := os.WriteFile(values, []byte(b.values()), 0o600); err != nil {
		return err
	}
	if out, err := b.run("helm", "", "install", "pillion", chartDir, "--namespace", namespace, "--create-namespace", "--values", values); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return b.putSecrets(b.files)
}

func (b *bed) putSecrets(f *certs.Files) error {
	var all strings.Builder
	for _, name := range []string{"serving", "serving-controller"} {
		fmt.Fprintf(&all, "apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\ntype: kubernetes.io/tls\ndata:\n", name, namespace)
		for key, text := range map[string][]byte{certs.CertFile: f.Cert, certs.KeyFile: f.Key, certs.CAFile: f.CA} {
			fmt.Fprintf(&all, "  %s: %s\n", key, base64.StdEncoding.EncodeToString(text))
		}
		all.WriteString("---\n")
	}
	return b.apply(all.String())
}

// connect leads the API server's calls to the programs that run here, and calls the Deployments' Pods ready.
func (b *bed) connect() error {
	service := fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: pillion, namespace: %s}\nspec: {type: ExternalName, externalName: localhost, ports: [{name: https, port: %s}]}\n",
		namespace, b.webhook.Port())
	port := func(i int) string {
		return fmt.Sprintf(`{"op":"replace","path":"/webhooks/%d/clientConfig/service/port","value":%s}`, i, b.webhook.Port())
	}
	paths, err := b.kubectl("get", "validatingwebhookconfiguration", "pillion", "-o", "jsonpath={.webhooks[*].clientConfig.service.path}")
	if err != nil {
		return err
	}
	var validating []string
	for i, path := range strings.Fields(paths) {
		validating = append(validating, fmt.Sprintf(`{"op":"replace","path":"/webhooks/%d/clientConfig","value":{"url":%q,"caBundle":%q}}`,
			i, strings.TrimSuffix(b.controller.URL, "/validate")+path, base64.StdEncoding.EncodeToString(b.controller.CA)))
	}
	steps := [][]string{
		{"delete", "service", "pillion", "-n", namespace, "--ignore-not-found"},
		{"patch", "mutatingwebhookconfiguration", "pillion", "--type=json", "-p", "[" + port(0) + "," + port(1) + "," + port(2) + "]"},
		{"patch", "validatingwebhookconfiguration", "pillion", "--type=json", "-p", "[" + strings.Join(validating, ",") + "]"},
	}
	for _, s := range steps {
		if _, err := b.kubectl(s...); err != nil {
			return err
		}
	}
	return errors.Join(b.apply(service), b.ready())
}

// ready calls every Pod of the Deployments ready, until these say that they are available.
func (b *bed) ready() error {
	const status = `{"status":{"phase":"Running","podIP":"10.1.2.3","podIPs":[{"ip":"10.1.2.3"}],"conditions":[{"type":"Ready","status":"True"}]}}`
	var last error
	for range 300 {
		pods, err := b.kubectl("get", "pods", "-n", namespace, "-o", "name")
		if err != nil {
			return err
		}
		for pod := range strings.FieldsSeq(pods) {
			if _, err := b.kubectl("patch", pod, "-n", namespace, "--subresource=status", "-p", status); err != nil {
				last = err
			}
		}
		out, err := b.kubectl("get", "deployments", "-n", namespace, "-o", "jsonpath={range .items[*]}{.spec.replicas}/{.status.availableReplicas} {end}")
		if err != nil {
			return err
		}
		if out == "2/2 1/1 " {
			return nil
		}
		last = errors.Join(last, errors.New(out))
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the Deployments are not available: %w", last)
}

func (b *bed) kubectl(args ...string) (string, error) { return b.run("kubectl", "", args...) }

func (b *bed) apply(objects string) error {
	_, err := b.run("kubectl", objects, "apply", "--server-side", "--force-conflicts", "-f", "-")
	return err
}

// run runs a program of the bed as the administrator, and gives what it prints.
func (b *bed) run(name, in string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(b.bin, name), args...)
	cmd.Env = append(os.Environ(), "HOME="+b.dir, "KUBECONFIG="+b.control.Kubeconfig())
	cmd.Stdin = strings.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// must is kubectl in a test.
func (b *bed) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := b.kubectl(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// put applies objects in a test.
func (b *bed) put(t *testing.T, objects string) {
	t.Helper()
	if err := b.apply(objects); err != nil {
		t.Fatal(err)
	}
}

// await calls try until it gives no error, for at most three minutes: a slow machine needs some.
func await(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// pillion runs the CLI as one user.
func (b *bed) pillion(kubeconfig string, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = cli.Run(&cli.Process{
		Args: append([]string{"pillion"}, args...), In: strings.NewReader(""), Out: &out, Err: &errs,
		Getenv: func(string) string { return "" }, Version: release,
		Connect: func(_, context string) (cli.Server, string, error) {
			s, err := live.Open(kubeconfig, context)
			if err != nil {
				return nil, "", err
			}
			return s, s.DefaultNamespace(), nil
		},
	})
	return out.String(), errs.String(), code
}

// doctor runs the doctor as the administrator and gives its report.
func (b *bed) doctor(t *testing.T, args ...string) (*reports.Report, int) {
	t.Helper()
	return b.doctorAs(t, b.control.Kubeconfig(), args...)
}

func (b *bed) doctorAs(t *testing.T, kubeconfig string, args ...string) (*reports.Report, int) {
	t.Helper()
	out, errs, code := b.pillion(kubeconfig, append([]string{"doctor", "-o", "json"}, args...)...)
	var r reports.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	return &r, code
}

// usual are the notes that the bed itself is good for: the Service leads outside, and the controller is called by a URL.
var usual = []string{"D244", "D244"}

// codes lists what was found, but for what the bed is good for.
func codes(r *reports.Report) []string {
	var out []string
	left := slices.Clone(usual)
	for _, f := range r.Findings {
		if i := slices.Index(left, f.Code); i >= 0 {
			left = slices.Delete(left, i, i+1)
			continue
		}
		out = append(out, f.Code)
	}
	slices.Sort(out)
	return out
}

// as gives the kubeconfig of a user whom nobody gave rights, but these rules.
func (b *bed) as(t *testing.T, user string, rules string) string {
	t.Helper()
	b.put(t, fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %[1]s}
rules: %[2]s
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[1]s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: %[1]s}]
`, user, rules))
	config, err := clientcmd.LoadFromFile(b.control.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range config.AuthInfos {
		u.Impersonate = user
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// awaitPods waits until a Namespace has so many Pods.
func (b *bed) awaitPods(t *testing.T, namespace string, n int) {
	t.Helper()
	await(t, "Pods", func() error {
		if got := len(strings.Fields(b.must(t, "get", "pods", "-n", namespace, "-o", "name"))); got != n {
			return fmt.Errorf("there are %d", got)
		}
		return nil
	})
}

// awaitDefaults waits until the webhook knows what a Namespace asks for: a ReplicaSet whose first Pod comes too early may
// take long to try again.
func (b *bed) awaitDefaults(t *testing.T, namespace string) {
	t.Helper()
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: try, namespace: " + namespace + "}\nspec: {containers: [{name: app, image: 'app:1'}]}\n"
	await(t, "the webhook knows the Namespace", func() error {
		out, err := b.run("kubectl", pod, "create", "--dry-run=server", "-o", "jsonpath={.metadata.labels}", "-f", "-")
		if err == nil && !strings.Contains(out, "pillion.dev/injected") {
			err = errors.New("not injected")
		}
		return err
	})
}
