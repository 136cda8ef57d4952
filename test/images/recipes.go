package images

import (
	_ "embed"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// nonRoot is the user of our own images.
const nonRoot = "65532:65532"

//go:embed files/nginx.conf
var nginxConf string

//go:embed files/nginx-default.conf
var nginxDefault string

//go:embed files/prometheus.yml
var prometheusConf string

// searchPath is that of the images which others publish.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// accounts are /etc/passwd and /etc/group with root and one user more.
func accounts(user string, id string) []file {
	return []file{
		text("/etc/passwd", "root:x:0:0:root:/:/bin/sh\n"+user+":x:"+id+":"+id+":"+user+":/:/bin/false\n"),
		text("/etc/group", "root:x:0:\n"+user+":x:"+id+":\n"),
		directory("/tmp", modeTmp, 0),
	}
}

// nginx has the layout of the image nginx-unprivileged: port 8080, user 101, logs linked to the container's output.
func nginx() *packaged {
	return &packaged{
		packages: []string{"nginx", "nginx-common"}, version: "1.22.", busybox: true,
		take: []string{"/usr/sbin/nginx", "/usr/share/nginx/html", "/etc/nginx/mime.types", "/etc/nginx/*_params", "/etc/nginx/fastcgi.conf"},
		add: append(accounts("nginx", "101"),
			text("/etc/nginx/nginx.conf", nginxConf),
			file{path: "/etc/nginx/conf.d/default.conf", mode: 0o644, owner: 101, content: nginxDefault},
			directory("/etc/nginx/conf.d", 0o755, 101),
			directory("/var/log/nginx", 0o755, 101),
			symlink("/var/log/nginx/access.log", "/dev/stdout"),
			symlink("/var/log/nginx/error.log", "/dev/stderr"),
			directory("/var/cache/nginx", 0o755, 101),
		),
		config: v1.Config{
			User: "101", Env: []string{searchPath}, StopSignal: "SIGQUIT", Cmd: []string{"nginx", "-g", "daemon off;"},
			ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		},
	}
}

func haproxy() *packaged {
	return &packaged{
		packages: []string{"haproxy"}, version: "2.6.", busybox: true,
		take: []string{"/usr/sbin/haproxy", "/etc/haproxy/errors"},
		add:  append(accounts("haproxy", "99"), directory("/var/lib/haproxy", 0o755, 99)),
		config: v1.Config{
			User: "haproxy", Env: []string{searchPath}, StopSignal: "SIGUSR1", WorkingDir: "/var/lib/haproxy",
			Cmd: []string{"haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"},
		},
	}
}

// tomcat has the layout of the official image: everything below /usr/local/tomcat, no application, run as root by its own
// script, which sets the umask that the log files get.
func tomcat() *packaged {
	const home = "/usr/local/tomcat"
	java := "/usr/lib/jvm/java-17-openjdk-" + runtime.GOARCH
	return &packaged{
		packages: []string{"tomcat10", "tomcat10-common", "libtomcat10-java", "libeclipse-jdt-core-java", "openjdk-17-jre-headless"},
		version:  "10.1.", busybox: true,
		take:  []string{java, "/etc/java-17-openjdk"},
		leave: []string{java + "/legal", java + "/man", java + "/docs", java + "/lib/ct.sym"},
		place: []placed{
			{"/usr/share/tomcat10/bin/*.jar", home + "/bin"},
			{"/usr/share/tomcat10/bin/catalina.sh", home + "/bin"},
			{"/usr/share/tomcat10/bin/setclasspath.sh", home + "/bin"},
			{"/usr/share/tomcat10/lib/*.jar", home + "/lib"},
			{"/usr/share/java/eclipse-jdt-core.jar", home + "/lib"},
			{"/usr/share/tomcat10/etc/*", home + "/conf"},
		},
		add: append(accounts("tomcat", "1000"),
			directory(home+"/logs", 0o755, 0), directory(home+"/temp", 0o755, 0),
			directory(home+"/webapps", 0o755, 0), directory(home+"/work", 0o755, 0),
		),
		config: v1.Config{
			Env: []string{
				strings.Replace(searchPath, "PATH=", "PATH="+home+"/bin:"+java+"/bin:", 1),
				"CATALINA_HOME=" + home, "JAVA_HOME=" + java,
			},
			WorkingDir: home, Cmd: []string{"catalina.sh", "run"}, ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		},
	}
}

func prometheus() *packaged {
	return &packaged{
		packages: []string{"prometheus"}, version: "2.42.",
		take: []string{"/usr/bin/prometheus"},
		add: append(accounts("nobody", "65534"),
			text("/etc/prometheus/prometheus.yml", prometheusConf),
			directory("/prometheus", 0o755, 65534),
		),
		config: v1.Config{
			User: "65534", Env: []string{searchPath}, WorkingDir: "/prometheus", Entrypoint: []string{"prometheus"},
			Cmd:          []string{"--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"},
			ExposedPorts: map[string]struct{}{"9090/tcp": {}},
		},
	}
}

// pauseImage is the first process of every Pod.
func pauseImage(built string) ([]file, v1.Config) {
	return []file{program("/pause", built)}, v1.Config{Entrypoint: []string{"/pause"}, User: "65534:65534"}
}

// appImage is the tests' app, with folders to write to.
func appImage(built string) ([]file, v1.Config) {
	files := []file{
		program("/app", built), directory("/tmp", modeTmp, 0),
		directory("/data", 0o755, 65532), directory("/var/log/app", 0o755, 65532), directory("/run/app", 0o755, 65532),
	}
	return files, v1.Config{Entrypoint: []string{"/app"}, User: nonRoot, WorkingDir: "/data"}
}
