// Package etcdtest runs a real etcd of one or several members on loopback, for tests.
package etcdtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/pillion-dev/pillion/test/cluster"
	"github.com/pillion-dev/pillion/test/cluster/pki"
)

// Cluster is a running etcd.
type Cluster struct {
	t       testing.TB
	program string
	members []*member
	ca      *pki.Authority
	client  pki.Pair
}

type member struct {
	dir, client, peer string // addresses host:port
	args              []string
	cmd               *exec.Cmd
}

// patience is for starts and elections on a busy machine.
const patience = time.Minute

// Start runs so many members, with TLS and client certificates where secure; they end with the test.
func Start(t testing.TB, members int, secure bool) *Cluster {
	t.Helper()
	bin, err := cluster.Build(context.Background(), io.Discard)
	must(t, err)
	c := &Cluster{t: t, program: filepath.Join(bin, "etcd")}
	if secure {
		c.ca, err = pki.NewAuthority("etcd")
		must(t, err)
		c.client, err = c.ca.Issue(pki.Client("root"))
		must(t, err)
	}
	var initial []string
	for i := range members {
		m := &member{dir: t.TempDir(), client: address(t), peer: address(t)}
		c.members = append(c.members, m)
		initial = append(initial, fmt.Sprintf("m%d=http://%s", i, m.peer))
	}
	for i, m := range c.members {
		m.args = []string{
			"--name", fmt.Sprintf("m%d", i), "--data-dir", filepath.Join(m.dir, "data"), "--log-level", "error", "--unsafe-no-fsync",
			"--listen-client-urls", c.url(m), "--advertise-client-urls", c.url(m),
			"--listen-peer-urls", "http://" + m.peer, "--initial-advertise-peer-urls", "http://" + m.peer,
			"--initial-cluster", strings.Join(initial, ","), "--heartbeat-interval", "50", "--election-timeout", "500",
		}
		if secure {
			m.args = append(m.args, c.secure(m)...)
		}
		c.Run(i)
	}
	t.Cleanup(func() {
		for i := range c.members {
			c.Kill(i)
		}
	})
	c.Client().mustPut("/ready", "yes")
	return c
}

// address is one that was free a moment ago.
func address(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

func (c *Cluster) secure(m *member) []string {
	c.t.Helper()
	pair, err := c.ca.Issue(pki.Server("etcd", "127.0.0.1"))
	must(c.t, err)
	for name, text := range map[string][]byte{"ca": c.ca.Cert, "cert": pair.Cert, "key": pair.Key} {
		must(c.t, os.WriteFile(filepath.Join(m.dir, name), text, 0o600))
	}
	return []string{
		"--cert-file", filepath.Join(m.dir, "cert"), "--key-file", filepath.Join(m.dir, "key"),
		"--trusted-ca-file", filepath.Join(m.dir, "ca"), "--client-cert-auth",
	}
}

func (c *Cluster) url(m *member) string {
	if c.ca != nil {
		return "https://" + m.client
	}
	return "http://" + m.client
}

// Run starts a member, again where it was killed.
func (c *Cluster) Run(i int) {
	c.t.Helper()
	m := c.members[i]
	m.cmd = exec.Command(c.program, m.args...)
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.OpenFile(filepath.Join(m.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(c.t, err)
	defer log.Close()
	m.cmd.Stdout, m.cmd.Stderr = log, log
	must(c.t, m.cmd.Start())
}

// Kill ends a member as a crash would.
func (c *Cluster) Kill(i int) {
	if m := c.members[i]; m.cmd != nil {
		_ = m.cmd.Process.Kill()
		_ = m.cmd.Wait()
		m.cmd = nil
	}
}

// URLs are the members' for clients.
func (c *Cluster) URLs() []string {
	var urls []string
	for _, m := range c.members {
		urls = append(urls, c.url(m))
	}
	return urls
}

// Leader is the number of the member that leads.
func (c *Cluster) Leader() int {
	c.t.Helper()
	client := c.Client()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for i, url := range c.URLs() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			status, err := client.Status(ctx, url)
			cancel()
			if err == nil && status.Leader == status.Header.MemberId {
				return i
			}
		}
	}
	c.t.Fatal("no member leads")
	return 0
}

// Credentials makes a folder as confd's configuration names it: certificates where there are, and what is given.
func (c *Cluster) Credentials(files map[string]string) string {
	c.t.Helper()
	dir := c.t.TempDir()
	if c.ca != nil {
		for name, text := range map[string][]byte{"ca.crt": c.ca.Cert, "tls.crt": c.client.Cert, "tls.key": c.client.Key} {
			must(c.t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
		}
	}
	for name, text := range files {
		must(c.t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

// Client is a client of etcd's whose calls have to succeed. It is for one goroutine.
type Client struct {
	*clientv3.Client
	t testing.TB
}

// Client connects to all members; with a username and password where given.
func (c *Cluster) Client(auth ...string) *Client {
	c.t.Helper()
	config := clientv3.Config{Endpoints: c.URLs(), DialTimeout: patience, Logger: zap.NewNop()}
	if len(auth) == 2 {
		config.Username, config.Password = auth[0], auth[1]
	}
	if c.ca != nil {
		pair, err := tls.X509KeyPair(c.client.Cert, c.client.Key)
		must(c.t, err)
		config.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
		config.TLS.RootCAs.AppendCertsFromPEM(c.ca.Cert)
	}
	client, err := clientv3.New(config)
	must(c.t, err)
	c.t.Cleanup(func() { _ = client.Close() })
	return &Client{Client: client, t: c.t}
}

// Set puts keys, each followed by its value.
func (c *Client) Set(pairs ...string) {
	c.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		c.mustPut(pairs[i], pairs[i+1])
	}
}

// mustPut tries through an election, which fails what was asked before it.
func (c *Client) mustPut(key, value string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := c.Put(ctx, key, value)
	for ; err != nil && ctx.Err() == nil; _, err = c.Put(ctx, key, value) {
		time.Sleep(50 * time.Millisecond)
	}
	must(c.t, err)
}

// Unset deletes keys.
func (c *Client) Unset(keys ...string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, key := range keys {
		_, err := c.Delete(ctx, key)
		must(c.t, err)
	}
}

// Pair puts two keys at one revision, with one value.
func (c *Client) Pair(a, b, value string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := c.Txn(ctx).Then(clientv3.OpPut(a, value), clientv3.OpPut(b, value)).Commit()
	must(c.t, err)
}

// Fill puts so many keys below a path, in transactions of 100: path/00000 and on, with value as the value of each.
func (c *Client) Fill(path string, n int, value string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for from := 0; from < n; from += 100 {
		var ops []clientv3.Op
		for i := from; i < min(from+100, n); i++ {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("%s/%05d", path, i), value))
		}
		_, err := c.Txn(ctx).Then(ops...).Commit()
		must(c.t, err)
	}
}

// CompactAll forgets every revision but the newest.
func (c *Client) CompactAll() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	res, err := c.Get(ctx, "/ready")
	must(c.t, err)
	_, err = c.Compact(ctx, res.Header.Revision, clientv3.WithCompactPhysical())
	must(c.t, err)
}

// Restrict turns authentication on: root may do all, reader with its password may read below path alone.
func (c *Client) Restrict(path, password string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, do := range []func() error{
		func() error { _, err := c.RoleAdd(ctx, "root"); return err },
		func() error { _, err := c.UserAdd(ctx, "root", "root"); return err },
		func() error { _, err := c.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := c.RoleAdd(ctx, "reader"); return err },
		func() error {
			_, err := c.RoleGrantPermission(ctx, "reader", path, clientv3.GetPrefixRangeEnd(path), clientv3.PermissionType(clientv3.PermRead))
			return err
		},
		func() error { _, err := c.UserAdd(ctx, "reader", password); return err },
		func() error { _, err := c.UserGrantRole(ctx, "reader", "reader"); return err },
		func() error { _, err := c.AuthEnable(ctx); return err },
	} {
		must(c.t, do())
	}
}

// Password gives the user reader another; root's client alone may.
func (c *Client) Password(password string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := c.UserChangePassword(ctx, "reader", password)
	must(c.t, err)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
