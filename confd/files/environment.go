package files

import (
	"context"
	"os"
	"strings"

	"github.com/pillion-dev/pillion/confd"
)

// Environment reads the program's variables. DATABASE_HOST is the key /database/host, as upstream's backend env has it.
type Environment struct{}

// Follow reads once: a process's environment does not change.
func (Environment) Follow(ctx context.Context, _ []string, keys *confd.Keys) error {
	var pairs []confd.KVPair
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		pairs = append(pairs, confd.KVPair{Key: keyOf(name), Value: value})
	}
	keys.Replace(pairs)
	<-ctx.Done()
	return nil
}

// Selects compares as upstream's backend does: by text, and with _ for /.
func (Environment) Selects(path, key string) bool {
	return strings.HasPrefix(key, keyOf(strings.TrimPrefix(path, "/")))
}

func keyOf(name string) string { return "/" + strings.ReplaceAll(strings.ToLower(name), "_", "/") }
