package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestS06FourTogether runs all four sidecars on one Pod: they start in order, confd reconfigures the proxy, and each does its work
// beside the others.
func TestS06FourTogether(t *testing.T) {
	together(t)
	row(t, "S06-four-together.yaml", restricted, func(s *scene) {
		store := s.etcd("/shop")
		store.put("/site/name", "first")
		store.put("/databases/one", "192.0.2.1:5432")
		receiver := s.plain("app=receiver")
		shop := &s.ready("app=shop", 1, "confd", "proxy", "log-shipper", "adapter")[0]
		var order []string
		for _, c := range shop.Spec.InitContainers {
			order = append(order, c.Name)
		}
		if want := []string{"confd", "proxy", "log-shipper", "adapter"}; !slices.Equal(order, want) {
			s.Errorf("the sidecars start as %q, want %q", order, want)
		}
		s.get(shop, 8080)
		for _, server := range []string{"two", "three", "four"} {
			store.put("/databases/"+server, "192.0.2.2:5432")
			s.eventually("the proxy knows database "+server, func() (bool, error) {
				_, metrics := s.page(shop, http.MethodGet, 8404, "/metrics")
				return strings.Contains(metrics, `haproxy_server_status{proxy="database",server="`+server+`"`), nil
			})
		}
		for _, family := range []string{"nginx_connections_active", "haproxy_process_uptime_seconds", "confd_reloads_total", "otelcol_process_uptime"} {
			s.eventually("the adapter has "+family, func() (bool, error) {
				_, metrics := s.page(shop, http.MethodGet, 9180, "/metrics")
				return strings.Contains(metrics, "\n"+family), nil
			})
		}
		s.eventually("nginx's log has arrived", func() (bool, error) {
			_, report := s.page(receiver, http.MethodGet, 4318, "/report")
			return strings.Contains(report, shop.Name) && strings.Contains(report, "GET / HTTP/1.1"), nil
		})
		for _, c := range shop.Status.InitContainerStatuses {
			if is := container(s.refresh(shop), c.Name); is.RestartCount > 0 {
				s.Errorf("%s was restarted %d times", c.Name, is.RestartCount)
			}
		}
	})
}
