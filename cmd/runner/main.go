//go:build linux

// Command runner runs scripts beside an app, see package runner, and copies files out of images, see package artifact.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	_ "time/tzdata" // the image that the runner is put into need not have it

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pillion-dev/pillion/artifact"
	"github.com/pillion-dev/pillion/program"
	"github.com/pillion-dev/pillion/runner"
)

const usage = `runner serve [--config FILE]      run jobs on schedule and on demand
runner check [--config FILE]      check the configuration and print every mistake in it
runner run JOB [--socket FILE]    run a job now, print its output and end with its exit code
runner status [--socket FILE]     print what became of every job, as JSON
runner copy [flags]               copy files out of an image onto a volume
runner install DIRECTORY          copy this program there
runner version
`

func main() { program.Main(start) }

// start tells, where the arguments are wrong, what they can be.
func start(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	err := run(ctx, args, stdout, stderr)
	if bad := (*program.UsageError)(nil); errors.As(err, &bad) {
		return program.Usage("%w\n%s", err, strings.TrimSpace(usage))
	}
	return err
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	command := "serve"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	f := pflag.NewFlagSet("runner "+command, pflag.ContinueOnError)
	switch command {
	case "serve", "check":
		return serve(ctx, f, args, command == "check", stderr)
	case "run", "status":
		socket := f.String("socket", "/run/runner/runner.sock", "the runner's Unix `socket`")
		if err := program.Parse(f, args, map[string]int{"run": 1}[command], stderr); err != nil {
			return err
		}
		if command == "status" {
			return runner.Status(ctx, *socket, stdout)
		}
		code, err := runner.Ask(ctx, *socket, f.Arg(0), stdout, stderr)
		if err == nil && code != 0 {
			return program.ExitError(code)
		}
		return err
	case "copy":
		return copyFiles(f, args, stderr)
	case "install":
		if err := program.Parse(f, args, 1, stderr); err != nil {
			return err
		}
		return artifact.Install(f.Arg(0))
	case "version":
		_, err := fmt.Fprintln(stdout, "runner", program.Version())
		return err
	}
	return program.Usage("there is no command %q", command)
}

func serve(ctx context.Context, f *pflag.FlagSet, args []string, check bool, stderr io.Writer) error {
	config := f.String("config", "/etc/runner/runner.yaml", "the configuration `file`")
	reload := f.Duration("reload", 5*time.Second, "how often the configuration files are looked at for changes")
	if err := program.Parse(f, args, 0, stderr); err != nil {
		return err
	}
	if *reload < 10*time.Millisecond {
		return program.Usage("--reload is at least 10ms")
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	if check {
		return runner.Check(*config)
	}
	r, err := runner.New(runner.Options{Config: *config, Reload: *reload, Version: program.Version(), Log: log})
	if err != nil {
		return err
	}
	defer log.Info("end")
	return r.Serve(ctx)
}

func copyFiles(f *pflag.FlagSet, args []string, stderr io.Writer) error {
	c := &artifact.Copy{}
	f.StringVar(&c.Image, "image", "/", "`directory` that holds the image's files")
	f.StringVar(&c.Target, "to", "", "`directory` to copy to")
	limit := f.String("limit", "0", "the most to copy, a `quantity` such as 256Mi; 0 is no limit")
	files := f.StringArray("file", nil, "what to copy, `FROM[=TO]`: an absolute path in the image, and where below --to; again for more")
	if err := program.Parse(f, args, 0, stderr); err != nil {
		return err
	}
	quantity, err := resource.ParseQuantity(*limit)
	if err != nil {
		return program.Usage("--limit %q: must be a quantity such as 256Mi", *limit)
	}
	c.Limit = quantity.Value()
	if c.Target == "" || len(*files) == 0 {
		return program.Usage("copy needs --to and --file")
	}
	for _, text := range *files {
		item, err := artifact.ParseItem(text)
		if err != nil {
			return program.Usage("--file %w", err)
		}
		c.Items = append(c.Items, item)
	}
	began := time.Now()
	done, err := c.Do()
	if err != nil {
		return err
	}
	slog.New(slog.NewJSONHandler(stderr, nil)).Info("copied", "files", done.Files, "bytes", done.Bytes, "seconds", time.Since(began).Seconds())
	return nil
}
