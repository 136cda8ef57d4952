package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// config is what serve is told by flags and environment.
type config struct {
	listen     string // addresses, comma-separated
	configFile string
	grace      time.Duration
	exitAfter  time.Duration
	exitCode   int
	log        logConfig
}

type logConfig struct {
	file   string
	rate   float64 // lines a second
	text   string
	rotate int64 // bytes
	keep   int
}

func parseConfig(args []string, getenv func(string) string, stderr io.Writer) (*config, error) {
	var c config
	f := flag.NewFlagSet("app serve", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.listen, "listen", "127.0.0.1:8080", "`addresses` to serve at, comma-separated: host:port, :port for all, unix:PATH")
	f.StringVar(&c.configFile, "config-file", "", "`file` that is loaded at the start and on SIGHUP, and shown at /config")
	f.DurationVar(&c.grace, "grace", 0, "how long to serve on after SIGTERM")
	f.DurationVar(&c.exitAfter, "exit-after", 0, "end by itself after this time, as a Job does")
	f.IntVar(&c.exitCode, "exit-code", 0, "the exit code of --exit-after")
	f.StringVar(&c.log.file, "log-file", "", "`file` to write log lines to; - is standard output")
	f.Float64Var(&c.log.rate, "log-rate", 1, "log lines a `second`; 0 writes none but those asked for at /log")
	f.StringVar(&c.log.text, "log-text", "hello", "what follows time, level and number on each log line")
	f.Int64Var(&c.log.rotate, "log-rotate", 0, "`bytes` after which the log file is renamed to FILE.1 and begun anew; 0 never")
	f.IntVar(&c.log.keep, "log-keep", 3, "how many rotated files are kept")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, exitError(0)
		}
		return nil, errUsage
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return &c, errors.Join(fromEnvironment(f, getenv), c.check())
}

// fromEnvironment sets the flags that were not given and whose variable is not empty.
func fromEnvironment(f *flag.FlagSet, getenv func(string) string) error {
	given := map[string]bool{}
	f.Visit(func(fl *flag.Flag) { given[fl.Name] = true })
	var errs []error
	f.VisitAll(func(fl *flag.Flag) {
		variable := "APP_" + strings.ToUpper(strings.ReplaceAll(fl.Name, "-", "_"))
		value := getenv(variable)
		if given[fl.Name] || value == "" {
			return
		}
		if err := f.Set(fl.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("%s=%q: %w", variable, value, err))
		}
	})
	return errors.Join(errs...)
}

func (c *config) check() error {
	if c.log.rate < 0 || c.log.rate > 1e6 {
		return fmt.Errorf("--log-rate %v: must be 0 to 1000000", c.log.rate)
	}
	if c.log.file == "-" && c.log.rotate > 0 {
		return errors.New("--log-rotate: standard output has no file to rotate")
	}
	return nil
}
