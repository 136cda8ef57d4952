package runner

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/pillion-dev/pillion/configfile"
)

// Config is what the runner is told by its files.
type Config struct {
	// Listen is the address of metrics and probes. Nothing can be run from there.
	Listen string
	// Socket is the Unix socket at which runs are asked for.
	Socket string
	// Scripts is the directory that holds them.
	Scripts string
	// Include is a further file with jobs, which may be absent; it is looked at for changes.
	Include string
	// Directory is the scripts' working directory; default /tmp.
	Directory string
	// Grace is how long a run may take to end after SIGTERM, before SIGKILL.
	Grace time.Duration
	// Events says which runs become Kubernetes events: none, failures or all.
	Events string
	Jobs   []*Job
}

// Job is a script and when it runs.
type Job struct {
	Name   string
	Script string // name of a file in Scripts
	Args   []string
	// Schedule in cron's five fields, or @hourly and the like, or @every 5m; empty runs on demand only.
	Schedule string
	TimeZone string // IANA name; default UTC
	Timeout  time.Duration
	// Concurrency says what becomes of a run that is asked for while one is under way: forbid or queue.
	Concurrency string

	at   configfile.Place
	next cron.Schedule // nil without a schedule
}

// The values of Concurrency and Events.
const (
	forbid = "forbid"
	queue  = "queue"

	eventsNone     = "none"
	eventsFailures = "failures"
	eventsAll      = "all"
)

const maxJobs = 64

func defaults() *Config {
	return &Config{
		Listen: ":9182", Socket: "/run/runner/runner.sock", Scripts: "/etc/runner/scripts",
		Grace: 5 * time.Second, Events: eventsNone,
	}
}

// file is a configuration file's text.
type file struct {
	name string
	text []byte
}

// readFiles reads the main file and the one that it includes, where that is there.
func readFiles(main string) ([]file, error) {
	text, err := readBounded(main)
	if err != nil {
		return nil, err
	}
	files := []file{{main, text}}
	config := defaults() // mistakes are told when the files are parsed
	configfile.Read(&configfile.Mistakes{}, main, text, config.root())
	if config.Include == "" {
		return files, nil
	}
	text, err = readBounded(config.Include)
	if errors.Is(err, os.ErrNotExist) {
		return files, nil
	}
	return append(files, file{config.Include, text}), err
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, configfile.MaxBytes+1))
}

// parse reads a configuration; the error has every mistake with file, line and field.
func parse(files []file) (*Config, error) {
	c, mistakes := defaults(), &configfile.Mistakes{}
	for i, f := range files {
		root := c.root()
		if i > 0 {
			root = configfile.Object(configfile.Fields{"jobs": configfile.List(c.job)})
		}
		configfile.Read(mistakes, f.name, f.text, root)
	}
	if c.Directory == "" {
		c.Directory = "/tmp"
	}
	names := map[string]bool{}
	for i, j := range c.Jobs {
		if i == maxJobs {
			j.at.Fail("is one too many: at most %d jobs", maxJobs)
		}
		if j.Name != "" && names[j.Name] {
			j.at.Below("name").Fail("%q is the name of another job", j.Name)
		}
		names[j.Name] = true
		j.check()
	}
	if err := mistakes.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) root() configfile.Field {
	return configfile.Object(configfile.Fields{
		"listen":    configfile.Text(&c.Listen),
		"socket":    configfile.Checked(&c.Socket, checkAbsolute),
		"scripts":   configfile.Checked(&c.Scripts, checkAbsolute),
		"include":   configfile.Checked(&c.Include, checkAbsolute),
		"directory": configfile.Checked(&c.Directory, checkDirectory),
		"grace":     configfile.Duration(&c.Grace, 0, 10*time.Minute),
		"events":    configfile.OneOf(&c.Events, eventsNone, eventsFailures, eventsAll),
		"jobs":      configfile.List(c.job),
	})
}

func (c *Config) job(at configfile.Place) {
	j := &Job{at: at, TimeZone: "UTC", Timeout: time.Hour, Concurrency: forbid}
	c.Jobs = append(c.Jobs, j)
	configfile.Object(configfile.Fields{
		"name":        configfile.Checked(&j.Name, checkName),
		"script":      configfile.Checked(&j.Script, checkScript),
		"args":        configfile.Texts(&j.Args),
		"schedule":    configfile.Text(&j.Schedule),
		"timezone":    configfile.Checked(&j.TimeZone, checkZone),
		"timeout":     configfile.Duration(&j.Timeout, time.Second, 24*time.Hour),
		"concurrency": configfile.OneOf(&j.Concurrency, forbid, queue),
	}, "name")(at)
	if j.Script == "" && !at.Has("script") {
		j.Script = j.Name
	}
}

// schedules are read as crontab's lines are, with Kubernetes' CronJob agreeing.
var schedules = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// check reads the schedule in its time zone.
func (j *Job) check() {
	if j.Schedule == "" {
		return
	}
	if strings.Contains(j.Schedule, "TZ=") {
		j.at.Below("schedule").Fail("the time zone has a field of its own, timezone")
		return
	}
	next, err := schedules.Parse("CRON_TZ=" + j.TimeZone + " " + j.Schedule)
	if err != nil {
		j.at.Below("schedule").Fail("must be five fields as in a crontab, @daily or the like, or @every 5m: %v", err)
		return
	}
	if every, ok := next.(cron.ConstantDelaySchedule); ok && every.Delay < time.Second {
		j.at.Below("schedule").Fail("must be at least a second apart")
	}
	if next.Next(time.Unix(0, 0)).IsZero() {
		j.at.Below("schedule").Fail("names no day that there is")
	}
	j.next = next
}

var nameShape = regexp.MustCompile(`\A[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?\z`)

func checkName(name string) error {
	if !nameShape.MatchString(name) {
		return errors.New("must be at most 63 lower-case letters, digits, - and ., with a letter or digit at both ends")
	}
	return nil
}

var scriptShape = regexp.MustCompile(`\A[A-Za-z0-9_-][A-Za-z0-9._-]*\z`)

func checkScript(name string) error {
	if len(name) > 253 || !scriptShape.MatchString(name) {
		return errors.New("must be the name of a file, as a key of a ConfigMap is")
	}
	return nil
}

func checkZone(zone string) error {
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		return fmt.Errorf("%q is not a time zone such as UTC or Europe/Berlin", zone)
	}
	return nil
}

// checkDirectory lets an empty one pass, which stands for the default.
func checkDirectory(path string) error {
	if path == "" {
		return nil
	}
	return checkAbsolute(path)
}

func checkAbsolute(path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return errors.New("must be a clean absolute path")
	}
	return nil
}
