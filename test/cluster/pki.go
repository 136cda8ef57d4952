package cluster

import (
	"crypto/x509"
	"os"
	"path/filepath"

	"github.com/pillion-dev/pillion/test/cluster/pki"
)

// keys is every key of one control plane, made anew at each start.
type keys struct {
	ca             pki.Pair
	apiserver      pki.Pair
	admin          pki.Pair // in system:masters
	manager        pki.Pair // system:kube-controller-manager
	serviceAccount []byte   // private key, PEM
}

func newKeys() (*keys, error) {
	ca, err := pki.NewAuthority("pillion-test-ca")
	if err != nil {
		return nil, err
	}
	k := &keys{ca: ca.Pair}
	for _, leaf := range []struct {
		into     *pki.Pair
		template x509.Certificate
	}{
		{&k.apiserver, pki.Server("kube-apiserver",
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", serviceIP)},
		{&k.admin, pki.Client("admin", "system:masters")},
		{&k.manager, pki.Client("system:kube-controller-manager")},
	} {
		if *leaf.into, err = ca.Issue(leaf.template); err != nil {
			return nil, err
		}
	}
	k.serviceAccount, err = pki.NewKey()
	return k, err
}

// write puts the files that the programs' flags name into dir.
func (k *keys) write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"ca.crt": k.ca.Cert, "ca.key": k.ca.Key,
		"apiserver.crt": k.apiserver.Cert, "apiserver.key": k.apiserver.Key,
		"service-account.key": k.serviceAccount,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}
