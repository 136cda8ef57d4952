package chart

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// item is an object of any kind.
type item struct {
	Metadata struct {
		Namespace, Name, ResourceVersion string
		Generation                       int64
		Labels                           map[string]string
		OwnerReferences                  []any
	}
}

// all gives every object there is by its resource, Namespace and name, but events.
func (b *bed) all() map[string]item {
	b.Helper()
	var groups struct {
		Groups []struct{ PreferredVersion struct{ GroupVersion string } }
	}
	b.list("/apis", &groups)
	paths := []string{"/api/v1"}
	for _, g := range groups.Groups {
		paths = append(paths, "/apis/"+g.PreferredVersion.GroupVersion)
	}
	out := map[string]item{}
	for _, path := range paths {
		var resources struct {
			Resources []struct {
				Name  string
				Verbs []string
			}
		}
		b.list(path, &resources)
		for _, r := range resources.Resources {
			if !slices.Contains(r.Verbs, "list") || r.Name == "events" || r.Name == "componentstatuses" {
				continue
			}
			var list struct{ Items []item }
			b.list(path+"/"+r.Name, &list)
			for _, i := range list.Items {
				id := strings.TrimPrefix(r.Name+"/"+i.Metadata.Namespace+"/"+i.Metadata.Name, "/")
				out[strings.Replace(id, "//", "/", 1)] = i
			}
		}
	}
	return out
}

func (b *bed) list(path string, into any) {
	b.Helper()
	await(b.T, path+" is listed", func() error {
		a := b.do(http.MethodGet, path, nil)
		if a.Status == http.StatusNotFound { // a definition that is on its way out
			return nil
		}
		if a.Status != http.StatusOK { // one that has just come
			return fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return json.Unmarshal(a.Body, into)
	})
}

// inventory names every object there is, but for what Kubernetes makes by itself at its start, or for a Namespace.
func (b *bed) inventory() []string {
	b.Helper()
	return slices.DeleteFunc(keys(b.all()), func(id string) bool {
		return slices.ContainsFunc([]string{
			"namespaces/", "serviceaccounts/kube-", "serviceaccounts/default/", "serviceaccounts/" + namespace + "/default", "configmaps/kube-",
			"configmaps/default/", "configmaps/" + namespace + "/kube-root-ca.crt", "leases/kube-system/", "apiservices/", "clusterroles/system:",
			"endpoints/default/", "endpointslices/default/", "ipaddresses/",
		}, func(prefix string) bool { return strings.HasPrefix(id, prefix) })
	})
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// versions gives, for every object that helm has made, what changes when its specification does.
func (b *bed) versions() map[string]string {
	b.Helper()
	out := map[string]string{}
	for id, i := range b.all() {
		m := i.Metadata
		if m.Labels["app.kubernetes.io/instance"] != "pillion" || m.OwnerReferences != nil || strings.HasPrefix(id, "endpoints/") {
			continue
		}
		out[id] = fmt.Sprint("generation ", m.Generation)
		if m.Generation == 0 {
			out[id] = "version " + m.ResourceVersion
		}
	}
	return out
}

// wantLeft waits until nothing is there but what was before, and some objects.
func (b *bed) wantLeft(before []string, left ...string) {
	b.Helper()
	want := append(slices.Clone(before), left...)
	slices.Sort(want)
	await(b.T, "nothing is left", func() error {
		if diff := cmp.Diff(want, b.inventory()); diff != "" {
			return errors.New("(-want +got)\n" + diff)
		}
		return nil
	})
}

// uninstalls runs `helm uninstall` and, as there is no kubelet, the Pod of the Job that it waits for: the real program, as its
// ServiceAccount. When that is done, what registers the programs is gone, and the programs are still there.
func (b *bed) uninstalls(keeps ...string) {
	b.Helper()
	done := make(chan error, 1)
	go func() { done <- b.runJob() }()
	out := b.helm("uninstall", "pillion")
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	for _, kept := range keeps {
		if !strings.Contains(out, kept) {
			b.Errorf("helm uninstall does not say that it keeps %s:\n%s", kept, out)
		}
	}
}

// runJob does what a kubelet would.
func (b *bed) runJob() error {
	var job batchv1.Job
	var pods corev1.PodList
	path := "/api/v1/namespaces/" + namespace + "/pods"
	if err := wait(func() error {
		job, pods = batchv1.Job{}, corev1.PodList{}
		if err := b.read("/apis/batch/v1/namespaces/"+namespace+"/jobs/pillion-uninstall", &job); err != nil {
			return err
		}
		err := b.read(path+"?labelSelector=job-name=pillion-uninstall", &pods)
		if err == nil && len(pods.Items) == 0 {
			err = errors.New("it has no Pod")
		}
		return err
	}); err != nil {
		return fmt.Errorf("the Job before the uninstallation: %w", err)
	}
	p := &pods.Items[0]
	token, err := b.tokenOf(p.Spec.ServiceAccountName)
	if err != nil {
		return err
	}
	kubeconfig := writeKubeconfig(b.T, b.control.URL(), b.control.CA(), token)
	cmd := command(b.T, &p.Spec.Containers[0])
	cmd.Args = append(cmd.Args, "--kubeconfig="+kubeconfig)
	out, log, err := output(cmd)
	if err != nil || strings.Contains(log, `"level":"ERROR"`) || strings.Count(log, `"wasThere":true`) != 3 {
		return fmt.Errorf("%v: %w\n%s%s", cmd.Args, err, out, log)
	}
	if left := b.webhooks(); !slices.Equal(left, policies[:2]) {
		return fmt.Errorf("when the Job is done there is %v", left)
	}
	for _, path := range []string{"/apis/apps/v1/namespaces/" + namespace + "/deployments/pillion", "/api/v1/namespaces/" + namespace + "/services/pillion"} {
		if a := b.do(http.MethodGet, path, nil); a.Status != http.StatusOK {
			return fmt.Errorf("before the Job is done, %s is gone", path)
		}
	}
	p.Status.Phase = corev1.PodSucceeded
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if a := b.do(http.MethodPut, path+"/"+p.Name+"/status", body); a.Status != http.StatusOK {
		return fmt.Errorf("%d %s", a.Status, a.Message())
	}
	return nil
}

func (b *bed) read(path string, into any) error {
	a := b.do(http.MethodGet, path, nil)
	if a.Status != http.StatusOK {
		return fmt.Errorf("%d %s", a.Status, a.Message())
	}
	return json.Unmarshal(a.Body, into)
}

func (b *bed) tokenOf(account string) (string, error) {
	a := b.do(http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+account+"/token", []byte(`{"spec":{}}`))
	var request struct{ Status struct{ Token string } }
	err := json.Unmarshal(a.Body, &request)
	if err == nil && request.Status.Token == "" {
		err = errors.New(a.Message())
	}
	return request.Status.Token, err
}

// archived lists the files of a packaged chart.
func archived(t *testing.T, path string) (names []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
}
