package images

import (
	"archive/zip"
	"context"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// sidecarImages are those that the entries artifact, runner and debug put beside an app: an app's artifact, a shell, tools.
func sidecarImages() []recipe {
	return []recipe{
		warRecipe("war-1", "localhost/war:1.0.0", "1"),
		warRecipe("war-2", "localhost/war:2.0.0", "2"),
		packagedRecipe("busybox", shell(), "docker.io/library/busybox:1.37.0"),
		packagedRecipe("debug", tools(), "docker.io/nicolaka/netshoot:v0.13"),
	}
}

// shell is BusyBox, with the layout of its own image: nothing but /bin and a /tmp.
func shell() *packaged {
	return &packaged{
		packages: []string{"busybox-static"}, version: "1.35.", busybox: true,
		add:    accounts("nobody", "65534"),
		config: v1.Config{Env: []string{searchPath}, Cmd: []string{"sh"}},
	}
}

// tools are what one looks into a Pod with. Those of BusyBox that have the same name come later in the search path.
func tools() *packaged {
	return &packaged{
		packages: []string{"strace", "procps", "iproute2"}, version: "6.1", busybox: true,
		place: []placed{
			{"/usr/bin/strace", "/usr/local/bin"}, {"/bin/ps", "/usr/local/bin"}, {"/bin/ss", "/usr/local/bin"},
		},
		add:    accounts("nobody", "65534"),
		config: v1.Config{Env: []string{searchPath}, Cmd: []string{"sh"}},
	}
}

// warRecipe is an image with a web archive and nothing else: no shell, no program.
func warRecipe(name, ref, version string) recipe {
	return recipe{name: name, refs: []string{ref}, make: func(context.Context, *builder) (v1.Image, error) {
		content, err := war(version)
		if err != nil {
			return nil, err
		}
		return assemble([]file{text("/shop.war", content)}, v1.Config{})
	}}
}

// war is a web application: a page that Tomcat compiles, and one that it serves as it is.
func war(version string) (string, error) {
	var b strings.Builder
	w := zip.NewWriter(&b)
	for _, f := range []struct{ name, content string }{
		{"WEB-INF/web.xml", `<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="6.0"><display-name>shop</display-name></web-app>`},
		{"index.jsp", `<%@ page contentType="text/plain" %>shop ` + version + ` on <%= application.getServerInfo() %>`},
		{"version.txt", version + "\n"},
	} {
		into, err := w.Create(f.name) // without a time, so that the same input gives the same bytes
		if err != nil {
			return "", err
		}
		if _, err := into.Write([]byte(f.content)); err != nil {
			return "", err
		}
	}
	err := w.Close()
	return b.String(), err
}

// receiverRecipe is what the log shipper sends to: it keeps account of every line.
func receiverRecipe() recipe {
	r := goProgram("receiver", "localhost/receiver:v1", "test/sidecars", "./cmd/receiver", func(built string) ([]file, v1.Config) {
		return []file{program("/receiver", built)}, v1.Config{Entrypoint: []string{"/receiver"}, User: nonRoot}
	})
	r.inputs = append(r.inputs, "test/sidecars/receiver")
	return r
}
