// Command app is the program that the tests put sidecars beside: one static server with many faces, and the few tools that
// a container without a shell needs.
//
//	app [serve] [flags]            serve until SIGTERM, or for --exit-after
//	app get [--socket S] URL       GET a page; prints its body, ends with 1 for a status of 400 or more
//	app read FILE                  print a file
//	app write FILE TEXT            write a file anew
//	app kill PROGRAM SIGNAL        signal every process of that name which this process sees
//	app inspect                    what this process sees: environment, mounts, namespaces, processes
//
// Every flag of serve is read from the environment too: --log-file from APP_LOG_FILE; a flag given wins.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

const usage = `usage: app [serve] [flags] | get [--socket S] URL | read FILE | write FILE TEXT | kill PROGRAM SIGNAL | inspect
`

// errUsage says that the message has been written already.
var errUsage = errors.New("usage")

func main() {
	os.Exit(exitCode(run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr), os.Stderr))
}

// exitError ends the program with a code that was asked for.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

func exitCode(err error, stderr io.Writer) int {
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(stderr, "app:", err)
	return 1
}

func run(args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0][:min(1, len(args[0]))] == "-" {
		args = append([]string{"serve"}, args...)
	}
	command, args := args[0], args[1:]
	switch {
	case command == "serve":
		return serve(args, getenv, stdout, stderr)
	case command == "get":
		return get(args, stdout, stderr)
	case command == "read" && len(args) == 1:
		return read(args[0], stdout)
	case command == "write" && len(args) == 2:
		return os.WriteFile(args[0], []byte(args[1]), 0o644)
	case command == "kill" && len(args) == 2:
		return kill(args[0], args[1], stdout)
	case command == "inspect" && len(args) == 0:
		return printInspection(stdout)
	}
	fmt.Fprint(stderr, usage)
	return errUsage
}
