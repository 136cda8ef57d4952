package main

import (
	"fmt"
	"os/exec"
	"strings"

	"github.com/pillion-dev/pillion/confd"
)

// confdReference documents confd: its flags, its metrics and the functions of its templates.
func confdReference() (string, error) {
	help, err := exec.Command("go", "run", "./cmd/confd", "--help").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("confd --help: %w\n%s", err, help)
	}
	metrics, err := metricTable("confd/agent/metrics.go")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(note + "# confd\n\n[The page about confd](../sidecars/confd.md) says how to use it.\n")
	fmt.Fprintf(&b, "\n## Flags\n\n```\n%s\n```\n", strings.TrimSpace(string(help)))
	b.WriteString("\n## Metrics\n\nOn `--listen`, path `/metrics`, beside those of the process.\n\n" + metrics)
	b.WriteString("\n" + confd.FunctionReference())
	return b.String(), nil
}
