package sidecars_test

import (
	"slices"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/pillion-dev/pillion/sidecars"
)

// confdConfig is all that confd's configuration may hold.
type confdConfig struct {
	Backend, Interval, Confdir, Listen string
	Directories                        []string
	Commands                           bool
	Etcd                               *struct {
		Nodes       []string
		Credentials string
	}
	Kubernetes *struct{ Configmaps, Services []string }
	File       *struct{ Directory string }
	Reload     struct {
		Signal *struct{ Process, Signal string }
		HTTP   *struct{ URL string }
	}
}

// TestConfdConfigHoldsItsValues reads the configuration of both entries with confd, for every pair of values.
func TestConfdConfigHoldsItsValues(t *testing.T) {
	for entry, also := range map[string][]string{"confd": {"/etc/haproxy/conf.d"}, "confd-join": nil} {
		t.Run(entry, func(t *testing.T) { eachConfd(t, entry, also) })
	}
}

// eachConfd does so for one of the entries, which may write to its directory and to others also.
func eachConfd(t *testing.T, entry string, also []string) {
	eachPair(t, entry, func(t *testing.T, set map[string]string, pod *corev1.Pod) {
		var got confdConfig
		meta, err := toml.Decode(fileOf(t, pod, entry, "config"), &got)
		if err != nil || len(meta.Undecoded()) > 0 {
			t.Fatalf("%v; keys that are not confd's: %v", err, meta.Undecoded())
		}
		want := confdConfig{
			Backend: set["backend"], Interval: set["interval"], Confdir: "/etc/confd", Listen: ":" + set["port"],
			Directories: append([]string{set["directory"]}, also...),
		}
		switch set["backend"] {
		case "etcd":
			want.Etcd = got.Etcd
			if got.Etcd == nil || !slices.Equal(got.Etcd.Nodes, split(set["endpoints"], ",")) || got.Etcd.Credentials != "/etc/confd/etcd" {
				t.Errorf("etcd is %+v, want nodes %s", got.Etcd, set["endpoints"])
			}
		case "kubernetes":
			want.Kubernetes = &struct{ Configmaps, Services []string }{nonNil(set["configmaps"]), nonNil(set["services"])}
		case "file":
			want.File = &struct{ Directory string }{"/etc/confd/values"}
		}
		if set["process"] != "" {
			want.Reload.Signal = &struct{ Process, Signal string }{set["process"], set["signal"]}
		}
		if set["reload-port"] != "" {
			want.Reload.HTTP = &struct{ URL string }{"http://127.0.0.1:" + set["reload-port"] + set["reload-path"]}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("configuration (-want +got):\n%s", diff)
		}
		for _, name := range catalogContainers(entry) {
			if args := containerOf(t, pod, name).Args; !slices.Contains(args, "--etcd-prefix=/$(POD_NAMESPACE)"+set["prefix"]) {
				t.Errorf("%s: args are %q, want the prefix %s below the Namespace", name, args, set["prefix"])
			}
			wantGoMemory(t, pod, name)
		}
	})
}

// catalogContainers lists the containers of an entry.
func catalogContainers(entry string) (names []string) {
	spec := sidecars.Builtin().Entry("", entry).Spec
	for _, c := range slices.Concat(spec.Containers, spec.InitContainers) {
		names = append(names, c.Name)
	}
	return names
}

func nonNil(text string) []string { return append([]string{}, split(text, ",")...) }
