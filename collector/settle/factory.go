// The extension settle of the OpenTelemetry Collector. What it does is the package of the same name at the top of this
// repository, whose files are linked here: a module of the collector's versions cannot require the repository's.

package settle

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.uber.org/zap"
)

// Config is what a collector's configuration says of the extension.
type Config struct {
	// After is how long after the start it is taken to be over.
	After time.Duration `mapstructure:"after"`
}

// Validate says what is wrong, in the terms of the configuration.
func (c *Config) Validate() error {
	if c.After <= 0 {
		return fmt.Errorf("after: %s is no time to wait", c.After)
	}
	return nil
}

// NewFactory is what the collector's builder asks for.
func NewFactory() extension.Factory {
	defaults := func() component.Config { return &Config{After: Pause} }
	create := func(_ context.Context, set extension.Settings, c component.Config) (extension.Extension, error) {
		return &settling{after: c.(*Config).After, log: set.Logger, stop: func() {}}, nil
	}
	return extension.NewFactory(component.MustNewType("settle"), defaults, create, component.StabilityLevelStable)
}

// settling is the extension while it runs.
type settling struct {
	after time.Duration
	log   *zap.Logger
	stop  func()
}

// Start is called at the collector's start.
func (s *settling) Start(context.Context, component.Host) error {
	s.stop = After(s.after, func(bytes int64, err error) {
		if err != nil {
			s.log.Warn("the pages of the start stay mapped", zap.Error(err))
			return
		}
		s.log.Info("settled", zap.Int64("bytes", bytes))
	})
	return nil
}

// Shutdown is called at the collector's end, which may come first.
func (s *settling) Shutdown(context.Context) error {
	s.stop()
	return nil
}
