// Package chart tests charts/pillion with the real helm and, for what the API server makes of it, a real API server.
package chart

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/test/cluster"
)

const (
	chartDir  = "../../charts/pillion"
	namespace = "pillion-system"
)

// helms are the programs that have to make the same of the chart: helm 4, and helm 3 as "helm3".
var helms = []string{"helm", "helm3"}

// program builds both where they are not built yet; a cold build takes minutes.
var program = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	return cluster.Build(ctx, os.Stderr, helms...)
})

// helm runs helm 4, away from the user's own settings, and gives what it prints.
func helm(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	return runHelm(t, "helm", args...)
}

// runHelm runs one of the helms. What needs no cluster is told the version of one: helm 3, built from its module, takes an
// ancient one for granted.
func runHelm(t *testing.T, which string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains([]string{"template", "lint"}, args[0]) {
		args = append(args, "--kube-version=1.36")
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, which), args...)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + filepath.Join(home, "none")}
	return output(cmd)
}

// output runs a command.
func output(cmd *exec.Cmd) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// tool gives the path of a pinned program of tools/, built where it is not built yet.
func tool(t *testing.T, name, pkg string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "../../hack/tool.sh", name, pkg, "chart")
	out, errs, err := output(cmd)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, errs)
	}
	return strings.TrimSpace(out)
}

// rendered keeps what render gave, by its arguments.
var rendered = map[string]string{}

// render gives the chart's manifest, hooks and tests among it.
func render(t *testing.T, args ...string) string {
	t.Helper()
	key := strings.Join(args, " ")
	if rendered[key] == "" {
		rendered[key] = renderBy(t, "helm", args...)
	}
	return rendered[key]
}

func renderBy(t *testing.T, which string, args ...string) string {
	t.Helper()
	out, errs, err := runHelm(t, which, append([]string{"template", "pillion", chartDir, "--namespace", namespace}, args...)...)
	if err != nil {
		t.Fatalf("%s template %s: %v\n%s", which, strings.Join(args, " "), err, errs)
	}
	return out
}

// variants are the ways in which the chart is rendered: each profile, and each file of ci/.
func variants(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(chartDir + "/ci/*-values.yaml")
	if err != nil || len(files) < 8 {
		t.Fatal(err, files)
	}
	out := map[string][]string{}
	for _, profile := range []string{"dev", "default", "ha"} {
		out["profile "+profile] = []string{"--set", "profile=" + profile}
	}
	for _, file := range files {
		out[filepath.Base(file)] = []string{"--values", file}
	}
	return out
}

// object is a rendered object: what every one has, and its own JSON.
type object struct {
	metav1.TypeMeta
	metav1.ObjectMeta `json:"metadata"`

	JSON []byte `json:"-"`
}

func (o *object) String() string { return o.Kind + " " + o.Name }

func objects(t *testing.T, manifest string) []*object {
	t.Helper()
	var out []*object
	for docs := kyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest))); ; {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := yaml.YAMLToJSONStrict(doc)
		if err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		if string(text) == "null" {
			continue
		}
		o := &object{JSON: text}
		if err := yaml.Unmarshal(text, o); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		out = append(out, o)
	}
}

// ofKind gives the objects of some kinds, and fails where there is none.
func ofKind(t *testing.T, all []*object, kinds ...string) []*object {
	t.Helper()
	out := slices.DeleteFunc(slices.Clone(all), func(o *object) bool { return !slices.Contains(kinds, o.Kind) })
	if len(out) == 0 {
		t.Fatalf("no %s", strings.Join(kinds, ", "))
	}
	return out
}

var decoder = sync.OnceValues(func() (runtime.Decoder, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), certmanagerv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer(), nil
})

// typed decodes an object into its Go type; a field that the type does not have is an error.
func typed(t *testing.T, o *object) runtime.Object {
	t.Helper()
	d, err := decoder()
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := d.Decode(o.JSON, nil, nil)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", o, err))
	}
	return out
}
