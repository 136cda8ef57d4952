package agent

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/pillion-dev/pillion/confd"
)

// Config says what to render and from where. It is read from a file (TOML) and from flags; Check completes it.
type Config struct {
	// Backend is where keys come from: one of Backends.
	Backend string `toml:"backend"`
	// Prefix comes before every key of every template resource, which does not see it.
	Prefix string `toml:"prefix"`
	// Interval is how often everything is read and rendered anew, beside the watch.
	Interval Duration `toml:"interval"`
	// ConfDir holds the folders conf.d, with template resources, and templates.
	ConfDir string `toml:"confdir"`
	// Listen is the address of /metrics and the probes; empty: none.
	Listen string `toml:"listen"`
	// Directories are those that may be written to; empty: every one.
	Directories []string `toml:"directories"`
	// Commands says whether check_cmd and reload_cmd are run. A sidecar has not the app's programs, and leaves them out.
	Commands *bool `toml:"commands"`
	// Debounce is how long after a change a file is rendered, so that changes that belong together make one.
	Debounce Duration `toml:"debounce"`

	Etcd       Etcd       `toml:"etcd"`
	Kubernetes Kubernetes `toml:"kubernetes"`
	File       File       `toml:"file"`
	Reload     Reload     `toml:"reload"`
}

// Etcd is the table [etcd].
type Etcd struct {
	Nodes []string `toml:"nodes"` // URLs
	// Prefix is the key below which everything is read, before Config.Prefix.
	Prefix string `toml:"prefix"`
	// Credentials is a folder with any of username, password, ca.crt, tls.crt and tls.key.
	Credentials string `toml:"credentials"`
}

// Kubernetes is the table [kubernetes].
type Kubernetes struct {
	ConfigMaps []string `toml:"configmaps"`
	Services   []string `toml:"services"`
}

// File is the table [file].
type File struct {
	Directory string `toml:"directory"`
}

// Reload is the table [reload]: for every template resource that names no reload of its own, Signal and HTTP or either.
type Reload struct {
	Signal struct {
		Process string `toml:"process"`
		Signal  string `toml:"signal"`
	} `toml:"signal"`
	HTTP struct {
		URL string `toml:"url"`
	} `toml:"http"`
	// Interval is the least time between two reloads of an app. What changes meanwhile is reloaded at once after it.
	Interval Duration `toml:"interval"`
}

// Duration is written as text, such as 10m.
type Duration time.Duration

// UnmarshalText reads a duration of at most a day.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 || v > 24*time.Hour {
		return fmt.Errorf("%q: want a duration of at most 24h, such as 500ms or 10m", text)
	}
	*d = Duration(v)
	return nil
}

// Backends are what Config.Backend may be.
var Backends = []string{"env", "etcd", "file", "kubernetes"}

// Defaults of what a configuration does not say.
const (
	DefaultConfDir  = "/etc/confd"
	defaultInterval = Duration(10 * time.Minute)
	defaultDebounce = Duration(20 * time.Millisecond)
	defaultReload   = Duration(250 * time.Millisecond)
)

// ParseConfig reads a configuration file; name is for the errors, which begin with it.
func ParseConfig(name, text string) (*Config, error) {
	c := &Config{}
	meta, err := toml.Decode(text, c)
	var parse toml.ParseError
	if errors.As(err, &parse) {
		return nil, fmt.Errorf("%s:%d: %s", name, parse.Position.Line, strings.TrimSpace(parse.Message))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("%s: %s: unknown key; the keys are backend, commands, confdir, debounce, directories, interval, listen, "+
			"prefix, etcd.{credentials, nodes, prefix}, file.directory, kubernetes.{configmaps, services}, "+
			"reload.{interval, signal.process, signal.signal, http.url}", name, unknown[0])
	}
	return c, nil
}

// Check completes a configuration and says all that is wrong with it.
func (c *Config) Check() error {
	setDefault(&c.ConfDir, DefaultConfDir)
	setDefault(&c.Interval, defaultInterval)
	setDefault(&c.Debounce, defaultDebounce)
	setDefault(&c.Reload.Interval, defaultReload)
	if c.Reload.Signal.Process != "" {
		setDefault(&c.Reload.Signal.Signal, confd.Signals[0])
	}
	errs := c.checkBackend()
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for key, prefix := range map[string]string{"prefix": c.Prefix, "etcd.prefix": c.Etcd.Prefix} {
		if _, err := confd.JoinKey("", prefix); err != nil {
			fail("%s: %w", key, err)
		}
	}
	for i, d := range c.Directories {
		if !path.IsAbs(d) {
			fail("directories[%d]: %q: want an absolute path", i, d)
		}
	}
	for _, r := range c.reloads() {
		if err := r.Check(); err != nil {
			fail("reload: %w", err)
		}
	}
	if c.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			fail("listen: %w", err)
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkBackend() (errs []error) {
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case c.Backend == "":
		fail("backend: Required value: one of %s", strings.Join(Backends, ", "))
	case !slices.Contains(Backends, c.Backend):
		fail("backend: %q: want one of %s", c.Backend, strings.Join(Backends, ", "))
	case c.Backend == "file" && c.File.Directory == "":
		fail("file.directory: Required value with backend file")
	case c.Backend == "kubernetes" && len(c.Kubernetes.ConfigMaps)+len(c.Kubernetes.Services) == 0:
		fail("kubernetes: configmaps or services: Required value with backend kubernetes")
	case c.Backend == "etcd":
		return c.Etcd.check()
	}
	return errs
}

func (e *Etcd) check() (errs []error) {
	if len(e.Nodes) == 0 {
		errs = append(errs, errors.New("etcd.nodes: Required value with backend etcd: URLs such as https://etcd.infra.svc:2379"))
	}
	for i, node := range e.Nodes {
		if u, err := url.Parse(node); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			errs = append(errs, fmt.Errorf("etcd.nodes[%d]: %q: want a URL such as https://etcd.infra.svc:2379", i, node))
		}
	}
	return errs
}

// reloads are what follows a change of a resource that names none of its own.
func (c *Config) reloads() []confd.Reload {
	var all []confd.Reload
	if s := c.Reload.Signal; s.Process != "" {
		all = append(all, confd.Reload{Process: s.Process, Signal: s.Signal})
	}
	if url := c.Reload.HTTP.URL; url != "" {
		all = append(all, confd.Reload{URL: url})
	}
	return all
}

// commands reports whether check_cmd and reload_cmd are run.
func (c *Config) commands() bool { return c.Commands == nil || *c.Commands }

func setDefault[T comparable](at *T, value T) {
	var zero T
	if *at == zero {
		*at = value
	}
}
