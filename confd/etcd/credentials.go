package etcd

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// credentials are what is shown to etcd, and how it is known.
type credentials struct {
	username, password string
	ca, cert, key      []byte // PEM
}

// readCredentials reads a folder; what is not there is not used.
func readCredentials(folder string) (*credentials, error) {
	c := &credentials{}
	if folder == "" {
		return c, nil
	}
	for name, to := range map[string]any{
		"username": &c.username, "password": &c.password, "ca.crt": &c.ca, "tls.crt": &c.cert, "tls.key": &c.key,
	} {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("etcd credentials: %w", err)
		}
		switch to := to.(type) {
		case *string:
			*to = strings.TrimRight(string(b), "\r\n")
		case *[]byte:
			*to = b
		}
	}
	switch {
	case c.username == "" && c.password != "":
		return nil, fmt.Errorf("etcd credentials: %s has a password and no username", folder)
	case (c.cert == nil) != (c.key == nil):
		return nil, fmt.Errorf("etcd credentials: %s has one of tls.crt and tls.key, which go together", folder)
	}
	return c, nil
}

func (c *credentials) equal(o *credentials) bool {
	return c.username == o.username && c.password == o.password &&
		bytes.Equal(c.ca, o.ca) && bytes.Equal(c.cert, o.cert) && bytes.Equal(c.key, o.key)
}

// tls is nil where there is no certificate: an endpoint with https is then checked against the system's roots.
func (c *credentials) tls() (*tls.Config, error) {
	if c.ca == nil && c.cert == nil {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.ca) {
			return nil, errors.New("etcd credentials: ca.crt has no certificate in PEM")
		}
	}
	if c.cert != nil {
		pair, err := tls.X509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, fmt.Errorf("etcd credentials: tls.crt and tls.key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
