package drain

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
)

// Config is what a collector's configuration says of the extension.
type Config struct {
	// Metrics is the URL of the collector's own Prometheus endpoint.
	Metrics string `mapstructure:"metrics"`
	// Quiet is for how long nothing must have been read or sent. It is longer than the receiver's poll interval, its flush
	// of an unfinished record and the queue's flush together.
	Quiet time.Duration `mapstructure:"quiet"`
	// Timeout is how long an app that goes on writing is waited for.
	Timeout time.Duration `mapstructure:"timeout"`
}

// Validate says what is wrong, in the terms of the configuration.
func (c *Config) Validate() error {
	var errs []error
	if u, err := url.Parse(c.Metrics); err != nil || u.Scheme != "http" || u.Host == "" {
		errs = append(errs, fmt.Errorf("metrics: %q is no http URL, such as http://127.0.0.1:8888/metrics", c.Metrics))
	}
	if c.Quiet < look {
		errs = append(errs, fmt.Errorf("quiet: %s is shorter than %s", c.Quiet, look))
	}
	if c.Timeout < c.Quiet {
		errs = append(errs, fmt.Errorf("timeout: %s is shorter than quiet, %s", c.Timeout, c.Quiet))
	}
	return errors.Join(errs...)
}

// NewFactory is what the collector's builder asks for.
func NewFactory() extension.Factory {
	defaults := func() component.Config {
		return &Config{Metrics: "http://127.0.0.1:8888/metrics", Quiet: time.Second, Timeout: 12 * time.Second}
	}
	create := func(_ context.Context, set extension.Settings, c component.Config) (extension.Extension, error) {
		return newDrain(c.(*Config), set.Logger), nil
	}
	return extension.NewFactory(component.MustNewType("drain"), defaults, create, component.StabilityLevelStable)
}
