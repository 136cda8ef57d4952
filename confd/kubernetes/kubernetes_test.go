package kubernetes_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/pillion-dev/pillion/confd"
	"github.com/pillion-dev/pillion/confd/kubernetes"
	"github.com/pillion-dev/pillion/test/cluster"
)

const namespace = "default"

// bed is a real API server.
type bed struct {
	*testing.T
	plane   *cluster.Cluster
	client  *client.Clientset
	folders map[*kubernetes.Backend]string // of token and ca.crt
}

func startBed(t *testing.T) *bed {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // a cold build of the control plane
	defer cancel()
	plane, err := cluster.Start(ctx, cluster.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(plane.Stop)
	b := &bed{T: t, plane: plane, folders: map[*kubernetes.Backend]string{}}
	b.client, err = client.NewForConfig(&rest.Config{Host: plane.URL(), QPS: -1, TLSClientConfig: rest.TLSClientConfig{
		CAData: plane.CA(), CertData: plane.AdminCert(), KeyData: plane.AdminKey(),
	}})
	b.must(err)
	return b
}

func (b *bed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// exampleRole is the Role that the example gives to confd.
func (b *bed) exampleRole() *rbacv1.Role {
	b.Helper()
	text, err := os.ReadFile("../../examples/confd-services.yaml")
	b.must(err)
	for dec := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		var role rbacv1.Role
		if err := dec.Decode(&role); errors.Is(err, io.EOF) {
			b.Fatal("the example has no Role")
		}
		if role.Kind == "Role" {
			return &role
		}
	}
}

// as is a backend in the name of a ServiceAccount: of a Pod's folder, with a token of the API server's.
func (b *bed) as(account string, configMaps []string, services ...string) *kubernetes.Backend {
	b.Helper()
	ctx := b.Context()
	_, err := b.client.CoreV1().ServiceAccounts(namespace).Get(ctx, account, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = b.client.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{
			ObjectMeta: metav1.ObjectMeta{Name: account},
		}, metav1.CreateOptions{})
	}
	b.must(err)
	dir := b.TempDir()
	for name, text := range map[string]string{"token": b.token(account), "ca.crt": string(b.plane.CA()), "namespace": namespace + "\n"} {
		b.must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	at, err := url.Parse(b.plane.URL())
	b.must(err)
	backend, err := kubernetes.InPod(dir, "confd", func(name string) string {
		return map[string]string{"KUBERNETES_SERVICE_HOST": at.Hostname(), "KUBERNETES_SERVICE_PORT": at.Port()}[name]
	})
	b.must(err)
	backend.ConfigMaps, backend.Services = configMaps, services
	b.folders[backend] = dir
	return backend
}

// grant gives an account the rights of the example.
func (b *bed) grant(account string) {
	b.Helper()
	_, err := b.client.RbacV1().Roles(namespace).Create(b.Context(), b.exampleRole(), metav1.CreateOptions{})
	b.must(err)
	_, err = b.client.RbacV1().RoleBindings(namespace).Create(b.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: account}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "confd"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: account, Namespace: namespace}},
	}, metav1.CreateOptions{})
	b.must(err)
}

func (b *bed) token(account string) string {
	b.Helper()
	token, err := b.client.CoreV1().ServiceAccounts(namespace).CreateToken(b.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	b.must(err)
	return token.Status.Token
}

// followed is a backend that is followed as the program does it.
type followed struct {
	t    *testing.T
	keys *confd.Keys
	mu   sync.Mutex
	errs []string
}

func follow(t *testing.T, backend *kubernetes.Backend) *followed {
	t.Helper()
	f := &followed{t: t, keys: confd.NewKeys(nil)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := backend.Follow(ctx, nil, f.keys); err != nil {
				f.mu.Lock()
				f.errs = append(f.errs, err.Error())
				f.mu.Unlock()
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return f
}

func (f *followed) becomes(want map[string]string) {
	f.t.Helper()
	var diff string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		have := map[string]string{}
		pairs, _ := f.keys.View([]string{"/"}, confd.Below)
		for _, p := range pairs {
			have[p.Key] = p.Value
		}
		if diff = cmp.Diff(want, have); diff == "" {
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.t.Fatalf("%s\nerrors: %q", diff, f.errs)
}

func (f *followed) fails(want string) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		f.mu.Lock()
		all := strings.Join(f.errs, "\n")
		f.mu.Unlock()
		if strings.Contains(all, want) {
			return
		}
	}
	f.t.Fatalf("no error has %q: %q", want, f.errs)
}

func slice(name, service string, family discoveryv1.AddressType, port string, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: family, Endpoints: endpoints, Ports: []discoveryv1.EndpointPort{{Name: &port, Port: new(int32(8080))}},
	}
}

func endpoint(ready bool, addresses ...string) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{Addresses: addresses, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}
}

// TestConfigMapsAndEndpointsAreFollowed does it with the rights of the example, and through an API server's restart.
func TestConfigMapsAndEndpointsAreFollowed(t *testing.T) {
	b := startBed(t)
	ctx := t.Context()
	maps, slices := b.client.CoreV1().ConfigMaps(namespace), b.client.DiscoveryV1().EndpointSlices(namespace)
	refused := follow(t, b.as("balancer", nil, "shop"))
	refused.fails(`the ServiceAccount may not list and watch endpointslices: endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:default:balancer"`)

	b.grant("balancer")
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "balancer-settings"}, Data: map[string]string{"retries": "3"}}
	_, err := maps.Create(ctx, settings, metav1.CreateOptions{})
	b.must(err)
	_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "another"}, Data: map[string]string{"x": "y"}}, metav1.CreateOptions{})
	b.must(err)
	for _, s := range []*discoveryv1.EndpointSlice{
		slice("shop-1", "shop", discoveryv1.AddressTypeIPv4, "http", endpoint(true, "10.0.0.1"), endpoint(false, "10.0.0.2")),
		slice("shop-2", "shop", discoveryv1.AddressTypeIPv4, "http", endpoint(true, "10.0.0.1"), endpoint(true, "10.0.0.3")),
		slice("shop-6", "shop", discoveryv1.AddressTypeIPv6, "http", endpoint(true, "2001:db8::1")),
		slice("cart-1", "cart", discoveryv1.AddressTypeIPv4, "", endpoint(true, "10.0.1.1")),
		slice("other-1", "other", discoveryv1.AddressTypeIPv4, "http", endpoint(true, "10.0.2.1")),
	} {
		_, err = slices.Create(ctx, s, metav1.CreateOptions{})
		b.must(err)
	}

	f := follow(t, b.as("balancer", []string{"balancer-settings"}, "shop", "cart"))
	want := map[string]string{
		"/configmaps/balancer-settings/retries": "3",
		"/endpoints/shop/http/10.0.0.1":         "10.0.0.1:8080", "/endpoints/shop/http/10.0.0.3": "10.0.0.3:8080",
		"/endpoints/shop/http/2001:db8::1": "[2001:db8::1]:8080", "/endpoints/cart/8080/10.0.1.1": "10.0.1.1:8080",
	}
	f.becomes(want)

	settings.Data["retries"] = "5"
	_, err = maps.Update(ctx, settings, metav1.UpdateOptions{})
	b.must(err)
	b.must(slices.Delete(ctx, "shop-2", metav1.DeleteOptions{}))
	want["/configmaps/balancer-settings/retries"] = "5"
	delete(want, "/endpoints/shop/http/10.0.0.3")
	f.becomes(want)

	b.plane.StopAPIServer()
	f.fails("the API server: ")
	f.becomes(want) // what is known stays
	b.must(b.plane.StartAPIServer(ctx))
	b.must(maps.Delete(ctx, "balancer-settings", metav1.DeleteOptions{}))
	delete(want, "/configmaps/balancer-settings/retries")
	f.becomes(want)

	other := follow(t, b.as("balancer", []string{"another"}))
	other.fails(`the ServiceAccount may not list and watch configmaps: configmaps "another" is forbidden: `)
	b.renewal(want)
	b.pages()
}

// renewal is of the token, which is read for every request.
func (b *bed) renewal(want map[string]string) {
	b.Helper()
	backend := b.as("balancer", nil, "shop", "cart")
	token := filepath.Join(b.folders[backend], "token")
	good, err := os.ReadFile(token)
	b.must(err)
	b.must(os.WriteFile(token, []byte("spent"), 0o600))
	f := follow(b.T, backend)
	f.fails("the API server: Unauthorized")
	b.must(os.WriteFile(token, good, 0o600))
	f.becomes(want)
}

// pages has more objects than one answer.
func (b *bed) pages() {
	b.Helper()
	want := map[string]string{}
	for i := range 501 {
		address := fmt.Sprintf("10.1.%d.%d", i/250, i%250+1)
		_, err := b.client.DiscoveryV1().EndpointSlices(namespace).Create(b.Context(),
			slice("many-"+strconv.Itoa(i), "many", discoveryv1.AddressTypeIPv4, "http", endpoint(true, address)), metav1.CreateOptions{})
		b.must(err)
		want["/endpoints/many/http/"+address] = address + ":8080"
	}
	follow(b.T, b.as("balancer", nil, "many")).becomes(want)
}
