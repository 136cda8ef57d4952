package adapter

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/pillion-dev/pillion/configfile"
)

// root reads the main file.
func (c *Config) root(*configfile.Mistakes) configfile.Field {
	fields := c.shared()
	fields["listen"] = configfile.Checked(&c.Listen, checkListen)
	fields["include"] = configfile.Checked(&c.Include, checkGlob)
	fields["interval"] = configfile.Duration(&c.Interval, 100*time.Millisecond, time.Hour)
	fields["timeout"] = configfile.Duration(&c.Timeout, 10*time.Millisecond, time.Minute)
	fields["fresh"] = configfile.Duration(&c.Fresh, 0, time.Minute)
	fields["maxAnswerBytes"] = configfile.Integer(&c.MaxAnswerBytes, 1024, 64<<20)
	fields["maxSeries"] = configfile.Integer(&c.MaxSeries, 100, 1_000_000)
	fields["label"] = configfile.Checked(&c.Label, checkLabel)
	return configfile.Object(fields)
}

// included reads another file, which adds to the main one's lists.
func (c *Config) included() configfile.Field { return configfile.Object(c.shared()) }

func (c *Config) shared() configfile.Fields {
	return configfile.Fields{
		"metrics": configfile.List(c.source(kindMetrics)),
		"pages":   configfile.List(c.source(kindPage)),
		"health": configfile.Object(configfile.Fields{
			"window": configfile.Duration(&c.Health.Window, time.Second, maxWindow),
			"grace":  configfile.Duration(&c.Health.Grace, 0, time.Hour),
			"rules":  configfile.List(c.rule),
		}),
	}
}

func (c *Config) source(kind kind) configfile.Field {
	return func(at configfile.Place) {
		s := &Source{at: at, kind: kind, Path: "/metrics"}
		c.Sources = append(c.Sources, s)
		fields := configfile.Fields{
			"name":   configfile.Checked(&s.Name, checkName),
			"port":   configfile.Integer(&s.Port, 1, 65535),
			"url":    configfile.Checked(&s.URL, checkURL),
			"socket": configfile.Checked(&s.Socket, checkAbsolute),
			"file":   configfile.Checked(&s.File, checkAbsolute),
			"path":   configfile.Checked(&s.Path, checkPath),
			"tls": configfile.Object(configfile.Fields{
				"ca":         configfile.Checked(&s.TLS.CA, checkAbsolute),
				"serverName": configfile.Text(&s.TLS.ServerName),
				"insecure":   configfile.Boolean(&s.TLS.Insecure),
			}),
		}
		if kind == kindPage {
			s.Path, s.Format = "/status", formatJSON
			fields["format"] = configfile.OneOf(&s.Format, formatJSON, formatText, formatHealth)
			fields["metrics"] = configfile.List(s.mapping)
		}
		configfile.Object(fields, "name")(at)
	}
}

func (s *Source) mapping(at configfile.Place) {
	m := &mapping{at: at, Type: "gauge", Scale: 1}
	s.mappings = append(s.mappings, m)
	configfile.Object(configfile.Fields{
		"name":   configfile.Checked(&m.Name, checkMetric),
		"type":   configfile.OneOf(&m.Type, "gauge", "counter", "untyped"),
		"help":   configfile.Text(&m.Help),
		"labels": configfile.Map(&m.Labels, checkLabel),
		"scale":  configfile.Number(&m.Scale),
		"at":     configfile.Text(&m.At),
		"regex":  configfile.Text(&m.Regex),
		"cel":    configfile.Text(&m.CEL),
	}, "name")(at)
}

func (c *Config) rule(at configfile.Place) {
	r := &Rule{at: at}
	c.Health.Rules = append(c.Health.Rules, r)
	configfile.Object(configfile.Fields{
		"name":  configfile.Checked(&r.Name, checkName),
		"check": configfile.Text(&r.Check),
		"for":   configfile.Duration(&r.For, 0, time.Hour),
	}, "name", "check")(at)
}

var nameShape = regexp.MustCompile(`\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\z`)

func checkName(name string) error {
	if !nameShape.MatchString(name) {
		return errors.New("must be at most 63 lower-case letters, digits and -, with a letter or digit at both ends")
	}
	if name == ownSource {
		return fmt.Errorf("%s is the name of the adapter's own metrics", ownSource)
	}
	return nil
}

func checkMetric(name string) error {
	if !model.LegacyValidation.IsValidMetricName(name) {
		return errors.New("must be a metric's name: letters, digits, _ and :, not beginning with a digit")
	}
	return nil
}

func checkLabel(name string) error {
	if !model.LegacyValidation.IsValidLabelName(name) || strings.HasPrefix(name, "__") || name == "le" || name == "quantile" {
		return errors.New("must be a label's name: letters, digits and _, not beginning with a digit or __, and neither le nor quantile")
	}
	return nil
}

func checkListen(address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return errors.New("must be an address such as :9180 or 127.0.0.1:9180")
	}
	return nil
}

func checkGlob(glob string) error {
	if _, err := filepath.Match(glob, ""); err != nil || !filepath.IsAbs(glob) {
		return errors.New("must be an absolute path, which may hold * and ?")
	}
	return nil
}

func checkAbsolute(path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return errors.New("must be a clean absolute path")
	}
	return nil
}

func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t\r\n#") {
		return errors.New("must begin with / and hold no white space and no #")
	}
	return nil
}
