package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	admissionregistrationv1 "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"

	"github.com/pillion-dev/pillion/program"
	"github.com/pillion-dev/pillion/program/serving"
)

// Uninstall is what the flags and arguments of `pillion-controller uninstall` say.
type Uninstall struct {
	Kubeconfig   string
	Timeout      time.Duration
	IgnoreErrors bool
	// Settle is how long the next object stays after a policy's binding that was there is deleted.
	Settle time.Duration
	// Objects are resource/name each.
	Objects []string
}

// policySettle is by when API servers have noticed that a policy's binding is gone: they look once a second. Until then they
// refuse Pods that were not injected, so who injects them goes later.
const policySettle = 3 * time.Second

const policyBindings = "validatingadmissionpolicybindings"

// uninstallable are the resources by which the API server calls Pillion, or refuses Pods on its behalf.
var uninstallable = []string{"mutatingwebhookconfigurations", policyBindings, "validatingwebhookconfigurations"}

const uninstallUsage = `Usage of pillion-controller uninstall RESOURCE/NAME...:
Deletes webhook configurations and policy bindings, in the order given; what is not there is well. ` + "`helm uninstall`" + ` runs
it before anything else, so that the API server does not call programs that are gone.
`

func parseUninstall(args []string, out io.Writer) (*Uninstall, error) {
	u := &Uninstall{Settle: policySettle}
	f := pflag.NewFlagSet("pillion-controller uninstall", pflag.ContinueOnError)
	f.SetOutput(out)
	f.SortFlags = false
	f.Usage = func() { fmt.Fprint(out, uninstallUsage, f.FlagUsages()) }
	f.StringVar(&u.Kubeconfig, "kubeconfig", "", "file that names the API server (default: the cluster this runs in)")
	f.DurationVar(&u.Timeout, "timeout", 20*time.Second, "how long to try again what fails")
	f.BoolVar(&u.IgnoreErrors, "ignore-errors", false, "exit with 0 also where an object is left, which the log names")
	if err := f.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, &program.UsageError{Err: err}
	}
	u.Objects = f.Args()
	var errs []error
	if len(u.Objects) == 0 {
		errs = append(errs, errors.New("want at least one RESOURCE/NAME"))
	}
	if u.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("--timeout %s: want more than 0", u.Timeout))
	}
	for _, o := range u.Objects {
		if resource, name, _ := strings.Cut(o, "/"); name == "" || !slices.Contains(uninstallable, resource) {
			errs = append(errs, fmt.Errorf("%q: want RESOURCE/NAME, with a resource of %s", o, strings.Join(uninstallable, ", ")))
		}
	}
	if len(errs) > 0 {
		return nil, &program.UsageError{Err: errors.Join(errs...)}
	}
	return u, nil
}

// startUninstall is the subcommand. With --ignore-errors only wrong usage is an error.
func startUninstall(ctx context.Context, args []string, errs io.Writer) error {
	u, err := parseUninstall(args, errs)
	if err != nil {
		return err
	}
	log, err := (&serving.Config{LogLevel: "info"}).Log(errs)
	if err != nil {
		return err
	}
	if err := uninstall(ctx, u, log); err != nil {
		log.Error("not all deleted", "error", err)
		if !u.IgnoreErrors {
			return program.ExitError(1)
		}
	}
	return nil
}

// uninstall deletes the objects and gives an error for each that may be left.
func uninstall(ctx context.Context, u *Uninstall, log *slog.Logger) error {
	config, err := (&serving.Config{Kubeconfig: u.Kubeconfig}).APIServer()
	if err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	config.Timeout = u.Timeout
	client, err := admissionregistrationv1.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, u.Timeout)
	defer cancel()
	left := map[string]error{}
	// Also a right that was given a moment ago may be refused at first.
	_ = wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		for _, o := range u.Objects {
			if err, tried := left[o]; tried && err == nil {
				continue
			}
			resource, name, _ := strings.Cut(o, "/")
			err := client.RESTClient().Delete().Resource(resource).Name(name).Do(ctx).Error()
			if err == nil || apierrors.IsNotFound(err) {
				log.Info("deleted", "object", o, "wasThere", err == nil)
				if err == nil && resource == policyBindings {
					pause(ctx, u.Settle)
				}
				err = nil
			}
			left[o] = err
		}
		return errors.Join(slices.Collect(maps.Values(left))...) == nil, nil
	})
	var errs []error
	for _, o := range u.Objects {
		if err := left[o]; err != nil {
			errs = append(errs, fmt.Errorf("delete %s: %w", o, err))
		}
	}
	return errors.Join(errs...)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
