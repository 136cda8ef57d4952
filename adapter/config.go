package adapter

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pillion-dev/pillion/configfile"
)

// Config is what the adapter is told, by one file and those that it includes.
type Config struct {
	// Listen is the address of the HTTP server.
	Listen string
	// Include is a glob of further files with sources and rules.
	Include string
	// Interval between rounds for the rules; Timeout of one source; Fresh is how old a round may be that is served again.
	Interval, Timeout, Fresh time.Duration
	// MaxAnswerBytes of one source, uncompressed; MaxSeries of all sources together.
	MaxAnswerBytes, MaxSeries int
	// Label is the name of the label that says from which source a series is.
	Label string
	// Sources in their order: of two that contradict each other about a metric, the first is right.
	Sources []*Source
	// Health are the rules.
	Health Health
}

// Health is what /healthz answers by.
type Health struct {
	// Window of rate and increase where a rule names none.
	Window time.Duration
	// Grace is how long what a rule looks at may be unknown, at the start and later, before that counts as broken.
	Grace time.Duration
	Rules []*Rule
}

// The bounds of a configuration.
const (
	maxSources  = 32
	maxRules    = 64
	maxIncluded = 32
)

// ownSource is the name under which the adapter's own metrics are served.
const ownSource = "adapter"

// defaults are in force where the files say nothing.
func defaults() *Config {
	return &Config{
		Listen: ":9180", Interval: 5 * time.Second, Timeout: 2 * time.Second, Fresh: time.Second,
		MaxAnswerBytes: 2 << 20, MaxSeries: 20_000, Label: "source",
		Health: Health{Window: time.Minute, Grace: 30 * time.Second},
	}
}

// Files are the texts of a configuration by name, the main file first.
type Files []File

// File is one of them.
type File struct {
	Name string
	Text []byte
}

// Sum tells one state of the files from another.
func (f Files) Sum() [sha256.Size]byte {
	h := sha256.New()
	for _, file := range f {
		fmt.Fprintf(h, "%q %d\n", file.Name, len(file.Text))
		h.Write(file.Text)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// ReadFiles reads the main file and those it includes, in order of their names. What cannot be read is reported with all
// that can.
func ReadFiles(main string) (Files, error) {
	text, err := readBounded(main)
	if err != nil {
		return nil, err
	}
	files := Files{{main, text}}
	// Only where to look is of interest here; mistakes are told when the files are parsed.
	config := defaults()
	configfile.Read(&configfile.Mistakes{}, main, text, config.root(&configfile.Mistakes{}))
	if config.Include == "" {
		return files, nil
	}
	names, err := filepath.Glob(config.Include)
	if err != nil {
		return files, nil // told when the files are parsed
	}
	slices.Sort(names)
	if len(names) > maxIncluded {
		return nil, fmt.Errorf("%s: %d files; at most %d are included", config.Include, len(names), maxIncluded)
	}
	var errs []error
	for _, name := range names {
		text, err := readBounded(name)
		errs = append(errs, err)
		files = append(files, File{name, text})
	}
	return files, errors.Join(errs...)
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, configfile.MaxBytes+1))
}

// Parse reads a configuration from its files; the error has every mistake of all of them, each with file, line and field.
func Parse(files Files) (*Config, error) {
	config, mistakes := defaults(), &configfile.Mistakes{}
	for i, file := range files {
		text := bytes.TrimPrefix(file.Text, []byte("\xef\xbb\xbf"))
		root := config.root(mistakes)
		if i > 0 {
			root = config.included()
		}
		configfile.Read(mistakes, file.Name, text, root)
	}
	config.check()
	if err := mistakes.Err(); err != nil {
		return nil, err
	}
	return config, nil
}

// check holds what no single field can.
func (c *Config) check() {
	names := map[string]bool{}
	for i, s := range c.Sources {
		if i == maxSources {
			s.at.Fail("is one too many: at most %d sources", maxSources)
		}
		if s.Name != "" && names[s.Name] {
			s.at.Below("name").Fail("%q is the name of another source", s.Name)
		}
		names[s.Name] = true
		s.check()
	}
	clear(names)
	for i, r := range c.Health.Rules {
		if i == maxRules {
			r.at.Fail("is one too many: at most %d rules", maxRules)
		}
		if r.Name != "" && names[r.Name] {
			r.at.Below("name").Fail("%q is the name of another rule", r.Name)
		}
		names[r.Name] = true
		if err := r.compile(c); err != nil {
			r.at.Below("check").Fail("%v", err)
		}
	}
}
