package cli_test

import (
	"testing"

	"github.com/pillion-dev/pillion/cli"
	"github.com/pillion-dev/pillion/test/golden"
)

// FuzzInject gives the program any bytes. It never panics; what it writes can be read again, and injecting and explaining
// that says the same as before.
func FuzzInject(f *testing.F) {
	goldenCatalog(f) // not in the time of an input
	cases, err := golden.Cases()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add(withNamespace(c, c.PodYAML))
	}
	f.Add(cases[0].Deployment())
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {annotations: {pillion.dev/inject: shipper, pillion.dev/shipper.endpoint: 'http://a'}}\n"
	f.Add([]byte(pod))
	f.Add([]byte(pod + "spec: {containers: [null]}"))
	f.Add([]byte("apiVersion: v1\nkind: List\nitems: [{kind: Pod}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		once := run(t, text, "inject")
		told := run(t, text, "explain", "-o", "json")
		run(t, text, "explain")
		run(t, text, "diff", "--with", "envy", "--set", "envy.port=1")
		if told.code != once.code {
			t.Errorf("inject exits with %d, explain with %d:\n%s\n%s", once.code, told.code, once.err, told.err)
		}
		if once.code == cli.ExitUnreadable {
			return
		}
		if back := run(t, []byte(once.out), "uninject"); back.code == cli.ExitUnreadable {
			t.Errorf("the output cannot be read: %s\n%s", back.err, once.out)
		}
		if twice := run(t, []byte(once.out), "inject"); twice.out != once.out {
			t.Errorf("the second run differs from the first:\n%s\n%s", once.out, twice.out)
		}
	})
}
