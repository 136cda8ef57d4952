package sidecars_test

// hostile is text that every config language gives a meaning to.
const hostile = `"'\ $(X) ${env:HOME} $$ {{x}} %s # <&> \d+`

// triedValues are what the tables of pairs give a parameter beside what its declaration tells: nothing, its enum and its
// bounds. Ports differ from one another, since one that is taken is refused.
var triedValues = map[string]map[string][]string{
	"proxy": {
		"port":             {"8080", "1024", "65535"},
		"upstream-port":    {"2368", "1", "65532"},
		"upstream-socket":  {"app.sock", "A"},
		"socket-directory": {"/run/app", "/a/b.c@d+e,f=g-h_i"},
		"containers":       {"*", "app", "a*,app"},
		"container":        {"app"},
		"health-path":      {"/healthz", "/", "/a/b.c~d_e-f"},
		"outbound-1-port":  {"5432", "1026", "65533"}, "outbound-1-servers": servers("5432"),
		"outbound-2-port": {"6379"}, "outbound-2-servers": servers("6379"),
		"outbound-3-port": {"5672"}, "outbound-3-servers": servers("5672"),
		"outbound-4-port": {"9092"}, "outbound-4-servers": servers("65535"),
		"metrics-port": {"8404", "1025", "65534"},
		"route-1-path": {"/api", "/a/b.c~d_e-f"}, "route-1-port": {"8081", "65531"},
		"route-2-path": {"/b"}, "route-2-port": {"8082"}, "route-3-path": {"/c"}, "route-3-port": {"8083"},
		"route-4-path": {"/d"}, "route-4-port": {"8084"},
		"allow-paths": {"/api", "/api,/b"}, "deny-paths": {"/admin", "/admin,/internal/x"},
		"allow-networks": {"10.0.0.0/8", "192.0.2.1,fd00::/8,::1", "2001:db8::1:2/128,::/0,1:2:3:4:5:6:7:8"},
		"deny-networks":  {"192.0.2.1", "192.0.2.0/24,fe80::/10"},
		"inbound-ports":  {"9090", "1,65535"}, "outbound-allow-networks": {"10.0.0.0/8,fd00::/8"}, "outbound-deny-networks": {"192.0.2.1", "::/0,0.0.0.0/0"},
		"tls-secret": {"tls"}, "mtls-secret": {"mtls"},
		"outbound-1-tls-name": {"db.example.com", "a"}, "outbound-2-tls-name": {"b"}, "outbound-3-tls-name": {"c"}, "outbound-4-tls-name": {"d"},
		"outbound-ca-secret": {"ca"}, "outbound-tls-secret": {"client"},
	},
	"log-shipper": {
		"endpoint":        {"https://otlp.example.com:4318", "http://127.0.0.1/a?b=$c&d=${e}#f", "http://[::1]:4318"},
		"directory":       {"/var/log/app", "/a/b.c@d+e,f=g-h_i"},
		"containers":      {"*", "app"},
		"container":       {"app"},
		"include":         {"*.log", "**/*.log,a/?.txt"},
		"exclude":         {"*.gz", "b/*.zst,**/*.xz"},
		"multiline-start": {`^\d{4}-\d{2}`, hostile},
		"service-name":    {"shop", "0", "true"},
		"header-secret":   {"otlp"}, "ca-configmap": {"ca"}, "tls-secret": {"tls"},
		"health-port": {"13133", "1024", "65535"}, "metrics-port": {"8888", "1025", "65534"},
	},
	"confd":      triedByConfd,
	"confd-join": triedByConfd,
	"adapter": {
		"port":        {"9180", "1024", "65535"},
		"metrics":     {"name=app,port=8080", "name=app,port=8080,path=/m;name=proxy,port=8404"},
		"rules":       {"name=q,check=value('q') < 100.0", "name=a,check=" + hostile + ",for=10s;name=b,check=a == b"},
		"status-port": {"8081"}, "status-path": {"/status", "/a?b=c&d=%20@e:+"},
		"status-metrics": {"name=q,at=/q/depth", "name=a:b_C,at=" + hostile + ",type=counter;name=c,at=Active connections:"},
		"config":         {"more"},
	},
}

// triedByConfd are tried with confd, be it beside the app or in its container.
var triedByConfd = map[string][]string{
	"templates": {"t", "a.b-c"}, "values": {"v"}, "etcd-secret": {"etcd"},
	"directory":  {"/etc/nginx/conf.d", "/a/b.c@d+e,f=g-h_i"},
	"containers": {"*", "app"}, "container": {"app"},
	"prefix":     {"/shop", "/a/b.c"},
	"endpoints":  {"https://etcd.example:2379", "http://127.0.0.1:2379,http://[::1]:2379/a#b"},
	"configmaps": {"one", "one,two.three"}, "services": {"shop", "shop,till"},
	"process": {"nginx", "A.b_c-d"}, "reload-port": {"8080", "65533"},
	"reload-path": {"/-/reload", "/a?b=c&d=%20@e:+"},
	"port":        {"9181", "1024", "65535"},
}

func servers(port string) []string {
	return []string{"192.0.2.1:" + port, "192.0.2.1:" + port + ",192.0.2.2:" + port + ",localhost:" + port}
}
