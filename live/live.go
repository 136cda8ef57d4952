// Package live asks an API server on behalf of the command pillion, with the rights of its user: it reads catalog entries
// and Namespaces as they are stored, and tries Pods by a server-side dry run. Nothing it does changes anything in a cluster.
//
// It is the only part of the CLI with a client, and does without client-go's typed clients: reading a kubeconfig and sending
// requests is all that is linked, so that the program starts as fast as without. cmd/pillion hands it to package cli.
package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // what a kubeconfig may name
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Server is an API server, as a context of a kubeconfig names it. It is safe for concurrent use.
type Server struct {
	namespace string
	config    *rest.Config
	client    *rest.RESTClient
}

const (
	// timeout of one request.
	timeout = 30 * time.Second
	// page is how many objects one answer lists at most.
	page = "500"
)

// Open reads a kubeconfig as kubectl does: the named file, or else those of the environment variable KUBECONFIG, or else
// ~/.kube/config, or else what a Pod has. An empty context stands for the current one. Nothing is contacted.
func Open(kubeconfig, kubeContext string) (*Server, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: kubeContext})
	cfg, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		err = errors.New("no kubeconfig: name one by --kubeconfig or the environment variable KUBECONFIG")
	}
	if err != nil {
		return nil, err
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, err
	}
	client, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	return &Server{namespace: namespace, config: cfg, client: client}, nil
}

// DefaultNamespace is that of the context; "default" where it names none.
func (s *Server) DefaultNamespace() string { return s.namespace }

// newClient makes a client that knows no kind but Status, which it makes errors of.
func newClient(cfg *rest.Config) (*rest.RESTClient, error) {
	known := runtime.NewScheme()
	metav1.AddToGroupVersion(known, schema.GroupVersion{Version: "v1"})
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(known).WithoutConversion()
	cfg.ContentType, cfg.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	cfg.Timeout = timeout
	cfg.QPS = -1 // the API server says when it is too much
	cfg.WarningHandlerWithContext = rest.NoWarnings{}
	return rest.UnversionedRESTClientFor(cfg)
}

// Entries gives the ClusterSidecars, then the Sidecars of a Namespace, or of all where it is empty: each object as JSON, as
// it is stored. The errors are those of package apierrors.
func (s *Server) Entries(ctx context.Context, namespace string) ([][]byte, error) {
	const group = "/apis/" + v1alpha1.GroupVersion
	of := group
	if namespace != "" {
		var err error
		if of, err = inNamespace(group, namespace); err != nil {
			return nil, err
		}
	}
	entries, err := s.list(ctx, group+"/clustersidecars")
	if err != nil {
		return nil, err
	}
	more, err := s.list(ctx, of+"/sidecars")
	return append(entries, more...), err
}

// inNamespace gives the path of a Namespace: what is no name cannot lead elsewhere.
func inNamespace(group, name string) (string, error) {
	if why := validation.IsDNS1123Label(name); len(why) > 0 {
		return "", fmt.Errorf("%q is no name of a Namespace: %s", name, why[0])
	}
	return group + "/namespaces/" + name, nil
}

// raw gives the answer to a request. What the API server says of a failure is the error; DoRaw would not tell.
func raw(ctx context.Context, req *rest.Request) ([]byte, error) {
	res := req.Do(ctx)
	if err := res.Error(); err != nil {
		return nil, err
	}
	return res.Raw()
}

// list gives the items of a list, page by page.
func (s *Server) list(ctx context.Context, path string) ([][]byte, error) {
	var items [][]byte
	err := s.each(ctx, func() *rest.Request { return s.client.Get().AbsPath(path) }, path, func(item json.RawMessage) error {
		items = append(items, item)
		return nil
	})
	if err != nil {
		return nil, explain(path, err)
	}
	return items, nil
}

// each takes the items of a list one by one, page by page. The request, a new one for each page, says what is listed.
func (s *Server) each(ctx context.Context, request func() *rest.Request, path string, take func(json.RawMessage) error) error {
	for from := ""; ; {
		req := request().Param("limit", page)
		if from != "" {
			req.Param("continue", from)
		}
		text, err := raw(ctx, req)
		if err != nil {
			return err
		}
		var list struct {
			Metadata struct{ Continue string }
			Items    []json.RawMessage
		}
		if err := json.Unmarshal(text, &list); err != nil {
			return fmt.Errorf("list %s: %w", path, err)
		}
		for _, item := range list.Items {
			if err := take(item); err != nil {
				return fmt.Errorf("list %s: %w", path, err)
			}
		}
		if from = list.Metadata.Continue; from == "" {
			return nil
		}
	}
}

// explain words the answer of an API server that has never heard of Pillion.
func explain(path string, err error) error {
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("the cluster has no %s of %s: its definitions are not installed: %w", path[strings.LastIndexByte(path, '/')+1:], v1alpha1.GroupVersion, err)
	}
	return err
}

// Namespace gives a Namespace as JSON. The errors are those of package apierrors.
func (s *Server) Namespace(ctx context.Context, name string) ([]byte, error) {
	path, err := inNamespace("/api/v1", name)
	if err != nil {
		return nil, err
	}
	res := s.client.Get().AbsPath(path).Do(ctx)
	if err := res.Error(); err != nil {
		return nil, err
	}
	return res.Raw()
}

// Object gives an object as JSON, and Objects those of a Namespace that a label selector selects. The errors are those of
// package apierrors.
func (s *Server) Object(ctx context.Context, apiVersion, plural, namespace, name string) ([]byte, error) {
	path, err := pathOf(apiVersion, plural, namespace)
	if err != nil {
		return nil, err
	}
	if why := validation.IsDNS1123Subdomain(name); len(why) > 0 {
		return nil, fmt.Errorf("%q is no name of an object: %s", name, why[0])
	}
	return raw(ctx, s.client.Get().AbsPath(path+"/"+name))
}

// Objects lists: see Object.
func (s *Server) Objects(ctx context.Context, apiVersion, plural, namespace, selector string) ([][]byte, error) {
	path, err := pathOf(apiVersion, plural, namespace)
	if err != nil {
		return nil, err
	}
	var items [][]byte
	err = s.each(ctx, func() *rest.Request { return s.client.Get().AbsPath(path).Param("labelSelector", selector) }, path, func(item json.RawMessage) error {
		items = append(items, item)
		return nil
	})
	return items, err
}

// pathOf gives the path of a resource, in a Namespace where one is given.
func pathOf(apiVersion, plural, namespace string) (string, error) {
	group := "/apis/" + apiVersion
	if !strings.Contains(apiVersion, "/") {
		group = "/api/" + apiVersion
	}
	if namespace == "" {
		return group + "/" + plural, nil
	}
	path, err := inNamespace(group, namespace)
	return path + "/" + plural, err
}

// DryRun has the API server take a Pod, as JSON, up to the point where it would be stored: admission and validation, with
// every field known to it. The error is the refusal; the warnings are the API server's.
func (s *Server) DryRun(ctx context.Context, namespace string, pod []byte) (warnings []string, err error) {
	res, err := s.dryRun(ctx, namespace, pod)
	if err != nil {
		return nil, err
	}
	for _, w := range res.Warnings() {
		warnings = append(warnings, w.Text)
	}
	return warnings, res.Error()
}

// Admitted gives a Pod, as JSON, as it would be stored, by a DryRun.
func (s *Server) Admitted(ctx context.Context, namespace string, pod []byte) ([]byte, error) {
	res, err := s.dryRun(ctx, namespace, pod)
	if err != nil {
		return nil, err
	}
	if err := res.Error(); err != nil {
		return nil, err
	}
	return res.Raw()
}

func (s *Server) dryRun(ctx context.Context, namespace string, pod []byte) (rest.Result, error) {
	path, err := inNamespace("/api/v1", namespace)
	if err != nil {
		return rest.Result{}, err
	}
	return s.client.Post().AbsPath(path+"/pods").
		Param("dryRun", metav1.DryRunAll).Param("fieldValidation", metav1.FieldValidationStrict).Body(pod).Do(ctx), nil
}
