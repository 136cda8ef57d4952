package redirect

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestSpecsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name string
		spec Spec
		want []string
	}{
		{"good", everything, nil},
		{"empty", Spec{}, []string{"redirect: Required value: want inbound, outbound or dns: a port of the proxy"}},
		{"one port twice", Spec{Inbound: 15001, Outbound: 15001}, []string{"redirect.outbound: Invalid value: 15001: is the port of inbound"}},
		{"the gate's port", Spec{Inbound: GatePort}, []string{"redirect.inbound: Invalid value: 15099: is the port of the gate"}},
		{"bits behind the prefix", Spec{Outbound: 1, CIDRExcept: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}},
			[]string{`redirect.cidrExcept[0]: Invalid value: "10.0.0.1/8": want a network such as 10.0.0.0/8 with no bit set behind the prefix`}},
		{"too many", Spec{Outbound: 1, OutboundExcept: make([]Ports, 65)}, []string{"redirect.outboundExcept: Too many: 65: must have at most 64 items"}},
	} {
		var got []string
		for _, e := range c.spec.Validate(field.NewPath("redirect")) {
			got = append(got, e.Error())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	for text, want := range map[string]string{"80": "80", "80-90": "80-90", "80-80": "80", "0": "error", "90-80": "error", "65536": "error", "a": "error", "": "error", "-": "error", "1-2-3": "error"} {
		var p Ports
		got := "error"
		if p.UnmarshalText([]byte(text)) == nil {
			got = p.String()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
