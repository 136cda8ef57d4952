package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/certs"
	"github.com/pillion-dev/pillion/controller"
)

func TestCertificateFlagsBecomeModes(t *testing.T) {
	for _, c := range []struct {
		name, args string
		want       controller.CertificateModes
	}{
		{"provided", "--tls-dir=/tls --certs-issued=a", controller.CertificateModes{Namespace: "ns"}},
		{"cert-manager", "--tls-dir=/tls --certs-mode=certManager --certs-issued=a,b", controller.CertificateModes{Namespace: "ns", Issued: []string{"a", "b"}}},
		{"self-managed", "--tls-dir=/tls --certs-mode=selfManaged --certs-authority=ca --certs-serving=a=a.ns.svc --certs-serving=b=b.ns.svc --certs-own=b " +
			"--certs-mutating=m --certs-validating=v,w --certs-validity=24h --certs-ca-validity=72h --certs-interval=1s --certs-settle=3s",
			controller.CertificateModes{Namespace: "ns", Own: "b", Dir: "/tls", SelfManaged: &controller.CertificateOptions{
				Namespace: "ns", Authority: "ca", Serving: map[string]string{"a": "a.ns.svc", "b": "b.ns.svc"}, Mutating: []string{"m"}, Validating: []string{"v", "w"},
				Lifetimes: certs.Lifetimes{Leaf: 24 * time.Hour, CA: 72 * time.Hour}, Interval: time.Second, Settle: 3 * time.Second}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := parseFlags(strings.Fields(c.args), "ns", new(bytes.Buffer))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, config.Certificates.modes(config.OwnNamespace, config.TLSDir)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesInCertificateFlagsAreAllNamed(t *testing.T) {
	for _, c := range []struct {
		args string
		want []string
	}{
		{"--certs-mode=acme", []string{`--certs-mode: want provided, certManager or selfManaged, got "acme"`}},
		{"--certs-mode=certManager", []string{"--certs-mode=certManager needs --certs-issued", "--certs-mode=certManager needs the environment variable POD_NAMESPACE"}},
		{"--certs-mode=selfManaged --certs-own=x --certs-interval=0s", []string{"--certs-mode=selfManaged needs --certs-serving", `--certs-own "x": not in --certs-serving`, "--certs-own needs --tls-dir",
			"--certs-interval 0s, --certs-settle 2m0s: want more than 0"}},
		{"--certs-mode=selfManaged --certs-serving=a= --certs-ca-validity=24h", []string{"--certs-serving a=: want SECRET=NAME",
			"--certs-validity 2160h0m0s, --certs-ca-validity 24h0m0s: want at least 1s, and three times as much for the CA"}},
	} {
		_, err := parseFlags(strings.Fields(c.args), "", new(bytes.Buffer))
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", c.args, err, want)
			}
		}
	}
}
