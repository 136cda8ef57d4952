package program

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/pflag"
)

// Parse reads flags, which are shown in the order of their definition, and want so many arguments behind them. Usage goes to out.
// The error is pflag.ErrHelp or a UsageError.
func Parse(f *pflag.FlagSet, args []string, arguments int, out io.Writer) error {
	f.SortFlags = false
	f.SetOutput(out)
	err := f.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case err != nil:
		return &UsageError{err}
	case f.NArg() > arguments:
		return Usage("unexpected argument %q", f.Arg(arguments))
	case f.NArg() < arguments:
		return Usage("%s: want arguments: %d, got %d", f.Name(), arguments, f.NArg())
	}
	return nil
}

// Log makes a log of JSON lines. The error is a UsageError that names --log-level.
func Log(level string, out io.Writer) (*slog.Logger, error) {
	l, err := Level(level)
	if err != nil {
		return nil, &UsageError{err}
	}
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: l})), nil
}

// Level reads the value of --log-level.
func Level(text string) (level slog.Level, err error) {
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return 0, fmt.Errorf("--log-level: want debug, info, warn or error, got %q", text)
	}
	return level, nil
}
