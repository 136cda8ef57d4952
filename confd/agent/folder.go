package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/confd"
	"github.com/pillion-dev/pillion/confd/files"
)

// item is a template resource with its template, and what became of it.
type item struct {
	*confd.Resource
	template *confd.Template
	reloads  []confd.Reload

	view     []confd.KVPair // that it was rendered from last
	due      time.Time      // when to render; zero: not at all
	rendered bool           // once at least, since the program started
	trouble  string         // why the file is not as the keys say; empty where it is
	retry    time.Duration  // before the next attempt, where there is trouble
}

// loadFolder reads all template resources and templates. Errors are all that there are, each with file and line.
func loadFolder(c *Config, machine *confd.Machine) ([]*item, error) {
	resources := filepath.Join(c.ConfDir, "conf.d")
	found, err := files.Find(resources, func(name string) bool { return strings.HasSuffix(name, ".toml") })
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: has no template resource, which is a file *.toml", resources)
	}
	var items []*item
	var errs []error
	at := map[string]string{}
	for _, name := range found {
		i, err := loadItem(c, filepath.Join("conf.d", name), machine)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if other, ok := at[i.Dest]; ok {
			errs = append(errs, fmt.Errorf("%s: dest: %s is what %s writes too", i.File, i.Dest, other))
			continue
		}
		at[i.Dest] = i.File
		items = append(items, i)
	}
	return items, errors.Join(errs...)
}

func loadItem(c *Config, name string, machine *confd.Machine) (*item, error) {
	text, err := os.ReadFile(filepath.Join(c.ConfDir, name))
	if err != nil {
		return nil, err
	}
	r, err := confd.ParseResource(name, string(text), c.Prefix)
	if err != nil {
		return nil, err
	}
	if p, err := openPlace(r.Dest, c.Directories); err == nil {
		p.close()
	} else if len(c.Directories) > 0 {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	folder := filepath.Join(c.ConfDir, "templates")
	t, err := confd.ParseTemplate(os.DirFS(folder), r.Src, machine)
	if err != nil {
		return nil, fmt.Errorf("%s: src: templates/%w", name, err)
	}
	i := &item{Resource: r, template: t}
	if !c.commands() {
		i.leaveCommands()
	}
	if i.reloads = []confd.Reload{r.Reload}; r.Reload.IsZero() {
		i.reloads = c.reloads()
	}
	return i, nil
}

// leaveCommands takes the commands out, which are the app's and not in confd's image.
func (i *item) leaveCommands() {
	if i.CheckCmd != "" {
		i.Warnings = append(i.Warnings, i.File+": check_cmd is not run in a sidecar, which has not the app's programs; output_format is checked")
		i.CheckCmd = ""
	}
	if i.Reload.Command != "" {
		i.Warnings = append(i.Warnings, i.File+": reload_cmd is not run in a sidecar, which has not the app's programs; the app is signalled or called as confd's configuration says")
		i.Reload.Command, i.Reload.Timeout = "", 0
	}
}

// Validate reads a configuration's template resources and templates, and says what is wrong; it writes nothing.
func Validate(c *Config, log *slog.Logger) error {
	if err := c.Check(); err != nil {
		return err
	}
	items, err := loadFolder(c, Machine())
	for _, i := range items {
		warn(log, i)
	}
	return err
}

func warn(log *slog.Logger, i *item) {
	for _, w := range i.Warnings {
		log.Warn(w)
	}
}
