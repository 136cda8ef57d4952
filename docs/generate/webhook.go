package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"strconv"
	"strings"
)

// metricReference documents the metrics of the programs.
func metricReference() (string, error) {
	var b strings.Builder
	b.WriteString(note + "# Metrics\n\nOn `--metrics-address`, path `/metrics`, beside those of the Go runtime and the process, and of controller-runtime\nin pillion-controller.\n")
	for _, p := range []struct {
		program string
		files   []string
	}{{"pillion-webhook", []string{"webhook/metrics.go"}}, {"pillion-controller", []string{"controller/metrics.go"}}, {"pillion-node", []string{"node/metrics.go", "node/ledger.go"}}} {
		b.WriteString("\n## " + p.program + "\n\n")
		table, err := metricTable(p.files...)
		if err != nil {
			return "", err
		}
		b.WriteString(table)
	}
	return b.String(), nil
}

// metricTable lists the metrics that files declare, by the literals of their names, helps and labels.
func metricTable(files ...string) (string, error) {
	var b strings.Builder
	b.WriteString("| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			return "", err
		}
		metricRows(&b, f)
	}
	return b.String(), nil
}

func metricRows(b *strings.Builder, f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		kind := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(callee(call), "New"), "Vec"))
		texts := literals(call)
		if kind == "desc" {
			kind = "gauge"
			if len(texts) > 0 && strings.HasSuffix(texts[0], "_total") {
				kind = "counter"
			}
		}
		if len(texts) < 2 || !strings.HasPrefix(texts[0], "pillion_") && !strings.HasPrefix(texts[0], "confd_") {
			return true
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", texts[0], kind, strings.Join(texts[2:], ", "), cell(texts[1]))
		return false
	})
}

func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// literals lists the string literals in a call, in order of their place.
func literals(call *ast.CallExpr) []string {
	var out []string
	for _, arg := range call.Args {
		ast.Inspect(arg, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					out = append(out, text)
				}
			}
			return true
		})
	}
	return out
}

// flagReference shows the usage texts of the programs, as they print them.
func flagReference() (string, error) {
	var b strings.Builder
	b.WriteString(note + "# Flags\n")
	for _, program := range []string{"pillion-webhook", "pillion-controller", "pillion-controller uninstall", "pillion inject", "pillion diff", "pillion uninject", "pillion explain",
		"pillion explain sidecar", "pillion lint", "pillion test", "pillion catalog list", "pillion catalog export", "pillion doctor",
		"pillion node inspect", "pillion-node agent", "pillion-node gate", "pillion-node inspect", "pillion-node capabilities"} {
		name, sub, _ := strings.Cut(program, " ")
		args := append([]string{"run", "./cmd/" + name}, strings.Fields(sub)...)
		out, err := exec.Command("go", append(args, "--help")...).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s --help: %w\n%s", program, err, out)
		}
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n", program, strings.TrimSpace(string(out)))
	}
	return b.String(), nil
}
