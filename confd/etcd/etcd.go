// Package etcd keeps keys up to date from etcd: it reads them once at one revision and watches from there. A watch that
// cannot go on, as its revision was compacted or its member lost the leader, begins anew with reading.
package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/connectivity"

	"github.com/pillion-dev/pillion/confd"
)

const (
	dialTimeout = 5 * time.Second
	readTimeout = 10 * time.Second
	// pageSize bounds the memory that reading takes beside the keys themselves, maxSize the keys and values.
	pageSize = 1000
	maxSize  = 16 << 20
	// patience is how long there may be no connection before the keys are said to be out of date.
	patience = 10 * time.Second
)

// Backend reads below one key, its root; nothing else is ever asked for.
type Backend struct {
	Nodes []string // URLs
	// Root comes before every key, as /shop before /upstreams. Templates never see it.
	Root string
	// Credentials is a folder with any of username, password, ca.crt, tls.crt and tls.key; empty: none.
	Credentials string
	Log         *slog.Logger

	client *clientv3.Client
	used   *credentials
	config *tls.Config
}

// Follow keeps keys up to date until the context ends, or something is wrong; what was read before stays. It is called
// again after an error.
func (b *Backend) Follow(ctx context.Context, paths []string, keys *confd.Keys) error {
	if err := b.connect(ctx); err != nil {
		return err
	}
	for {
		err := b.session(ctx, paths, keys)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, rpctypes.ErrCompacted):
			b.Log.Info("the watch fell behind etcd's compaction; reading anew")
			continue
		}
		if err == nil {
			return nil
		}
		// The next attempt reads the credentials again, which may be what is wrong.
		b.Close()
		return b.explain(ctx, err)
	}
}

// Selects knows directories: /up does not select /upstream.
func (b *Backend) Selects(path, key string) bool { return confd.Below(path, key) }

// Close ends the connection; the next Follow makes another.
func (b *Backend) Close() {
	if b.client != nil {
		_ = b.client.Close()
		b.client = nil
	}
}

// connect makes a client, unless there is one with the credentials as they are now.
func (b *Backend) connect(ctx context.Context) error {
	now, err := readCredentials(b.Credentials)
	if err != nil {
		return err
	}
	if b.client != nil && b.used.equal(now) {
		return nil
	}
	b.Close()
	if b.config, err = now.tls(); err != nil {
		return err
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: b.Nodes, DialTimeout: dialTimeout, TLS: b.config, Username: now.username, Password: now.password,
		DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second, PermitWithoutStream: true,
		Logger: zap.NewNop(),
	})
	if err != nil {
		return b.explain(ctx, err)
	}
	b.client, b.used = client, now
	return nil
}

// session reads all paths at one revision, then takes up what changes, until one of the watches ends.
func (b *Backend) session(ctx context.Context, paths []string, keys *confd.Keys) error {
	// A member that lost the leader would keep the watch open and say nothing.
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	paths = confd.Outermost(paths)
	var pairs []confd.KVPair
	revision := int64(0)
	for _, p := range paths {
		read, at, err := b.read(ctx, p, revision)
		if err != nil {
			return err
		}
		pairs, revision = append(pairs, read...), at
	}
	keys.Replace(pairs)
	ended := make(chan error, len(paths)+1)
	go func() { ended <- b.disconnected(ctx) }()
	for _, p := range paths {
		go func() { ended <- b.watch(ctx, p, revision+1, keys) }()
	}
	return <-ended
}

// disconnected returns when no node could be reached for a while. A watch would say nothing.
func (b *Backend) disconnected(ctx context.Context) error {
	conn, since := b.client.ActiveConnection(), time.Time{}
	for ctx.Err() == nil {
		state, wait := conn.GetState(), time.Minute
		switch {
		case state == connectivity.Ready || state == connectivity.Idle:
			since = time.Time{}
		case since.IsZero():
			since, wait = time.Now(), patience
		case time.Since(since) >= patience:
			return errUnreachable
		default:
			wait = patience - time.Since(since)
		}
		changed, cancel := context.WithTimeout(ctx, wait)
		conn.WaitForStateChange(changed, state)
		cancel()
	}
	return nil
}

// span is the range of etcd's keys that a path and all below it lie in: to the key that would follow the last one below.
// Keys such as /a-b lie in it too, between /a and /a/, and are left out by inside.
func (b *Backend) span(p string) (from, to string) {
	from = path.Join("/", b.Root, p)
	if from == "/" {
		return "/", "0"
	}
	return from, from + "0"
}

// inside cuts the root off a key of etcd's; false for one that is not below p.
func (b *Backend) inside(p string, key []byte) (string, bool) {
	relative := string(key)
	if root := path.Join("/", b.Root); root != "/" {
		relative = strings.TrimPrefix(relative, root)
	}
	return relative, confd.Below(p, relative)
}

// read gets a path and all below, at a revision; 0 is the newest. It gives the revision that was read.
func (b *Backend) read(ctx context.Context, p string, revision int64) (pairs []confd.KVPair, at int64, err error) {
	from, to := b.span(p)
	for size := 0; ; {
		page, err := b.page(ctx, from, to, revision)
		if err != nil {
			return nil, 0, err
		}
		if revision == 0 {
			revision = page.Header.Revision
		}
		for _, kv := range page.Kvs {
			if key, ok := b.inside(p, kv.Key); ok {
				pairs = append(pairs, confd.KVPair{Key: key, Value: string(kv.Value)})
				size += len(kv.Key) + len(kv.Value)
			}
		}
		if size > maxSize {
			return nil, 0, fmt.Errorf("the keys below %s hold more than %d bytes: name fewer in the template resources", p, maxSize)
		}
		if !page.More {
			return pairs, revision, nil
		}
		from = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
	}
}

func (b *Backend) page(ctx context.Context, from, to string, revision int64) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return b.client.Get(ctx, from, clientv3.WithRange(to), clientv3.WithRev(revision), clientv3.WithLimit(pageSize))
}

func (b *Backend) watch(ctx context.Context, p string, revision int64, keys *confd.Keys) error {
	from, to := b.span(p)
	for res := range b.client.Watch(ctx, from, clientv3.WithRange(to), clientv3.WithRev(revision)) {
		if err := res.Err(); err != nil {
			return err
		}
		changes := make([]confd.Change, 0, len(res.Events))
		for _, e := range res.Events {
			if key, ok := b.inside(p, e.Kv.Key); ok {
				changes = append(changes, confd.Change{Key: key, Value: string(e.Kv.Value), Deleted: e.Type == mvccpb.DELETE})
			}
		}
		if len(changes) > 0 {
			keys.Apply(changes)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return errors.New("the watch ended")
}

// errUnreachable says that there is no connection.
var errUnreachable = errors.New("no node can be reached")

// explain says what to look at.
func (b *Backend) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, rpctypes.ErrAuthFailed), errors.Is(err, rpctypes.ErrUserEmpty), errors.Is(err, rpctypes.ErrAuthNotEnabled):
		return fmt.Errorf("etcd refuses the username or password: %w", err)
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return fmt.Errorf("etcd's user may not read the keys below %s: %w", path.Join("/", b.Root), err)
	case errors.Is(err, errUnreachable), errors.Is(err, context.DeadlineExceeded):
		if why := b.connection(ctx); why != nil {
			return fmt.Errorf("etcd cannot be reached: %w", why)
		}
		return fmt.Errorf("no answer from etcd: %w", err)
	default:
		return fmt.Errorf("etcd: %w", err)
	}
}

// connection connects to every node for itself, as the client does not say why it cannot. It is nil where one answers.
func (b *Backend) connection(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var errs []error
	for _, node := range b.Nodes {
		u, err := url.Parse(node)
		if err != nil {
			return err
		}
		if u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), "2379")
		}
		var conn net.Conn
		if u.Scheme == "https" {
			conn, err = (&tls.Dialer{Config: b.config}).DialContext(ctx, "tcp", u.Host)
		} else {
			conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		}
		if err == nil {
			conn.Close()
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", node, err))
	}
	return errors.Join(errs...)
}
