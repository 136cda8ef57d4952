package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/certs"
	"github.com/pillion-dev/pillion/controller"
)

// Who makes the serving certificates.
const (
	certsProvided    = "provided"
	certsCertManager = "certManager"
	certsSelfManaged = "selfManaged"
)

// CertificateConfig is what the flags say of certificates.
type CertificateConfig struct {
	Mode       string
	Authority  string
	Serving    map[string]string
	Own        string
	Mutating   []string
	Validating []string
	Issued     []string
	Lifetimes  certs.Lifetimes
	Interval   time.Duration
	Settle     time.Duration
}

func (c *CertificateConfig) flags(f *pflag.FlagSet) {
	usual := certs.DefaultLifetimes()
	f.StringVar(&c.Mode, "certs-mode", certsProvided, "who makes the serving certificates: provided (somebody, into --tls-dir), certManager (and this program tells how it goes) or selfManaged (this program)")
	f.StringVar(&c.Authority, "certs-authority", "pillion-authority", "selfManaged: Secret of the CA, in the program's own Namespace; the Secrets exist, if empty")
	f.StringToStringVar(&c.Serving, "certs-serving", nil, "selfManaged: Secrets of serving certificates and the DNS name of each, as SECRET=NAME")
	f.StringVar(&c.Own, "certs-own", "", "selfManaged: which of these Secrets is this program's, to be written into --tls-dir; empty where it is mounted there")
	f.StringSliceVar(&c.Mutating, "certs-mutating", nil, "selfManaged: MutatingWebhookConfigurations to put the CA into")
	f.StringSliceVar(&c.Validating, "certs-validating", nil, "selfManaged: ValidatingWebhookConfigurations to put the CA into")
	f.StringSliceVar(&c.Issued, "certs-issued", nil, "certManager: Certificates to tell of")
	f.DurationVar(&c.Lifetimes.Leaf, "certs-validity", usual.Leaf, "selfManaged: how long a serving certificate is valid; it is renewed after two thirds")
	f.DurationVar(&c.Lifetimes.CA, "certs-ca-validity", usual.CA, "selfManaged: how long the CA is valid; it is renewed after two thirds")
	f.DurationVar(&c.Interval, "certs-interval", time.Minute, "selfManaged: how often the clock is looked at")
	f.DurationVar(&c.Settle, "certs-settle", 2*time.Minute, "selfManaged: how long a new CA is in place before it signs what replaces a good certificate; longer than API servers and kubelets take to read a change")
}

// check finds what is wrong.
func (c *CertificateConfig) check(all *Config) (errs []error) {
	add := func(text string, args ...any) { errs = append(errs, fmt.Errorf(text, args...)) }
	switch c.Mode {
	case certsProvided:
	case certsCertManager:
		if len(c.Issued) == 0 {
			add("--certs-mode=certManager needs --certs-issued")
		}
	case certsSelfManaged:
		errs = append(errs, c.checkSelfManaged()...)
	default:
		add("--certs-mode: want provided, certManager or selfManaged, got %q", c.Mode)
	}
	if c.Mode != certsProvided && all.OwnNamespace == "" {
		add("--certs-mode=%s needs the environment variable POD_NAMESPACE", c.Mode)
	}
	if c.Own != "" && all.TLSDir == "" {
		add("--certs-own needs --tls-dir")
	}
	return errs
}

func (c *CertificateConfig) checkSelfManaged() (errs []error) {
	if len(c.Serving) == 0 {
		errs = append(errs, errors.New("--certs-mode=selfManaged needs --certs-serving"))
	}
	for secret, name := range c.Serving {
		if secret == "" || name == "" {
			errs = append(errs, fmt.Errorf("--certs-serving %s=%s: want SECRET=NAME", secret, name))
		}
	}
	if _, known := c.Serving[c.Own]; c.Own != "" && !known {
		errs = append(errs, fmt.Errorf("--certs-own %q: not in --certs-serving", c.Own))
	}
	// A CA is renewed after two thirds; what is left of it has to be enough for a leaf.
	if c.Lifetimes.Leaf < time.Second || c.Lifetimes.CA < 3*c.Lifetimes.Leaf {
		errs = append(errs, fmt.Errorf("--certs-validity %s, --certs-ca-validity %s: want at least 1s, and three times as much for the CA", c.Lifetimes.Leaf, c.Lifetimes.CA))
	}
	if c.Interval <= 0 || c.Settle <= 0 {
		errs = append(errs, fmt.Errorf("--certs-interval %s, --certs-settle %s: want more than 0", c.Interval, c.Settle))
	}
	return errs
}

// modes are what the controller is to do.
func (c *CertificateConfig) modes(namespace, tlsDir string) controller.CertificateModes {
	m := controller.CertificateModes{Namespace: namespace}
	switch c.Mode {
	case certsCertManager:
		m.Issued = c.Issued
	case certsSelfManaged:
		m.Own, m.Dir = c.Own, tlsDir
		m.SelfManaged = &controller.CertificateOptions{
			Namespace: namespace, Authority: c.Authority, Serving: c.Serving, Mutating: c.Mutating, Validating: c.Validating,
			Lifetimes: c.Lifetimes, Interval: c.Interval, Settle: c.Settle,
		}
	}
	return m
}
