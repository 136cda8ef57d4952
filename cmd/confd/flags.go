package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/pillion-dev/pillion/confd/agent"
)

const defaultConfig = "/etc/confd/confd.toml"

// options are what the flags say, with the configuration file under them.
type options struct {
	config                  *agent.Config
	level                   slog.Level
	once, validate, version bool
}

// parseFlags reads flags, variables CONFD_<FLAG> where a flag is not given, and the file that --config names.
func parseFlags(args []string, getenv func(string) string, stderr io.Writer) (*options, error) {
	o := &options{}
	set := pflag.NewFlagSet("confd", pflag.ContinueOnError)
	set.SetOutput(stderr)
	set.SortFlags = false
	file := set.String("config", defaultConfig, "the configuration file (TOML); it need not be there where flags say enough")
	backend := set.String("backend", "", "where keys come from: "+strings.Join(agent.Backends, ", "))
	nodes := set.StringSlice("node", nil, "URL of an etcd node; may be repeated")
	prefix := set.String("prefix", "", "what comes before every key of every template resource")
	root := set.String("etcd-prefix", "", "the key below which alone etcd is read, before --prefix")
	confdir := set.String("confdir", "", "the folder of conf.d and templates (default "+agent.DefaultConfDir+")")
	listen := set.String("listen", "", "the address of /metrics, /-/healthy and /-/ready; none where empty")
	level := set.String("log-level", "info", "debug, info, warn or error")
	set.BoolVar(&o.once, "onetime", false, "render every file one time and exit")
	set.BoolVar(&o.validate, "check", false, "read the configuration, template resources and templates, say what is wrong, and exit")
	set.BoolVar(&o.version, "version", false, "print the version and exit")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("confd: %q: takes flags only; see --help", set.Arg(0))
	}
	var errs []error
	set.VisitAll(func(f *pflag.Flag) {
		name := "CONFD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value := getenv(name); value != "" && !f.Changed {
			if err := set.Set(f.Name, value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	})
	if err := o.level.UnmarshalText([]byte(*level)); err != nil {
		errs = append(errs, fmt.Errorf("--log-level: %q: want debug, info, warn or error", *level))
	}
	if len(errs) > 0 || o.version {
		return o, errors.Join(errs...)
	}
	var err error
	if o.config, err = readConfig(*file, set.Changed("config")); err != nil {
		return nil, err
	}
	for to, value := range map[*string]string{
		&o.config.Backend: *backend, &o.config.Prefix: *prefix, &o.config.Etcd.Prefix: *root, &o.config.ConfDir: *confdir,
		&o.config.Listen: *listen,
	} {
		if value != "" {
			*to = value
		}
	}
	if len(*nodes) > 0 {
		o.config.Etcd.Nodes = *nodes
	}
	return o, o.config.Check()
}

// readConfig reads the file; one that was not asked for need not be there.
func readConfig(name string, asked bool) (*agent.Config, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return &agent.Config{}, nil
	}
	if err != nil {
		return nil, err
	}
	return agent.ParseConfig(name, string(text))
}
