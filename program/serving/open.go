package serving

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/pillion-dev/pillion/certs"
	"github.com/pillion-dev/pillion/program"
)

// selfSignedFor is how long the certificate of --self-signed is valid.
const selfSignedFor = 365 * 24 * time.Hour

// Log makes the log, and has the libraries write to it.
func (c *Config) Log(out io.Writer) (*slog.Logger, error) {
	log, err := program.Log(c.LogLevel, out)
	if err != nil {
		return nil, err
	}
	ctrllog.SetLogger(logr.FromSlogHandler(log.Handler()))
	klog.SetSlogLogger(log)
	return log, nil
}

// APIServer is the cluster that --kubeconfig names, or else the one this runs in.
func (c *Config) APIServer() (*rest.Config, error) {
	if c.Kubeconfig != "" {
		return clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	}
	return rest.InClusterConfig()
}

// OpenCertificate gives the directory of the serving certificate. Where that is --self-signed, it makes the certificate, writes
// its CA to out, and cleanUp removes it.
func (c *Config) OpenCertificate(out io.Writer) (dir string, cleanUp func(), err error) {
	if !c.SelfSigned {
		return c.TLSDir, func() {}, nil
	}
	dns, ips := c.names()
	files, err := certs.SelfSigned(dns, ips, selfSignedFor)
	if err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp("", "pillion-tls-"); err != nil {
		return "", nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	cleanUp = func() { os.RemoveAll(dir) }
	if err = files.WriteTo(dir); err == nil {
		_, err = out.Write(files.CA)
	}
	if err != nil {
		cleanUp()
		return "", nil, err
	}
	return dir, cleanUp, nil
}

// names splits the names of the self-signed certificate into DNS names and addresses.
func (c *Config) names() (dns []string, ips []net.IP) {
	for _, n := range c.DNSNames {
		if ip := net.ParseIP(n); ip != nil {
			ips = append(ips, ip)
			continue
		}
		dns = append(dns, n)
	}
	return dns, ips
}
