package sidecars_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/sidecars"
)

// hostileValues are values that mean something to one of the languages that a value passes on its way, or to none.
var hostileValues = []string{
	// JSON
	`"`, `\`, `\"`, `"}`, `"}]}}`, `", "privileged": true, "x": "`, `{"a": 1}`, `["a"]`, `\u0022`, `\u0000`, `\n`, `"\n"`, `\\`, `\/`, `null`, `true`, `1e309`,
	`"},{"op":"remove","path":"/spec"}`, `/metadata/annotations/x`, `~0~1`, `a/b~c`, `]`, `}`,
	// YAML
	`- a`, `a: b`, `: `, `a: {b: c}`, `{a: b}`, `[a, b]`, `# comment`, `a # comment`, `&a`, `*a`, `&a *a`, `<<: *a`, `!!binary aGk=`, `!ruby/object:Gem`, `|`, `>-`, `%YAML 1.1`, `---`, `...`,
	`'`, `''`, `'"'`, `~`, `yes`, `no`, `on`, `.inf`, `0x1F`, `0o17`, `1_000`, `12:30:45`, `2001-12-14`, `? a`, `@a`, "`a`", `- - -`, `a:`, `"a": "b"`, `key: "value" # x`, `=`, `<<`,
	// TOML
	`"""`, `'''`, `""" + """`, `[table]`, `[[table]]`, `a = 1`, `"a" = "b"`, `\U0001F600`, `\x41`, `inf`, `nan`,
	// shells and programs
	`$(TOKEN)`, `$$(TOKEN)`, `$$$(TOKEN)`, `$$$$(TOKEN)`, `$`, `$$`, `$$$`, `$(`, `$)`, `(TOKEN)`, `$TOKEN`, `${TOKEN}`, `${env:TOKEN}`, `$${env:TOKEN}`, `${file:/etc/passwd}`, `${env:X:-${env:Y}}`,
	`x$(TOKEN)y$(TOKEN)z`, `$(TOKEN`, `$()`, `$( TOKEN )`, `$(TOKEN)$`, `$(NOSUCH)`, `$(params.text)`, `$(params.other)`, `$$(params.text)`, `$(item)`, `$(item.a)`, `$(params.`, `$when`, `$each`, `$item`,
	"`id`", `; rm -rf /`, `&& id`, `|| id`, `| id`, `> /etc/passwd`, `a b`, ` a`, `a `, `*`, `?`, `[a-z]`, `!!`, `-rf`, `--config=/etc/passwd`, `%s%n`, `%n%n%n`, `%[2]*.[1]*`,
	// HAProxy, Go templates and others
	`} use_backend x if { always_true }`, `server evil 10.0.0.1:80`, `%[env(TOKEN)]`, `{{ . }}`, `{{ printf "%s" .TOKEN }}`, `{{/* */}}`, `}}`, `<% id %>`, `#{id}`, `${{ secrets.X }}`, `<script>&amp;</script>`, `<!--`,
	`' OR 1=1 --`, `../../etc/passwd`, `/../..`, `/a/../../b`, `C:\windows`, `http://u:p@evil.example/`, `http://evil.example#@good.example`, `http://[::1`, `file:///etc/passwd`, `javascript:alert(1)`, `//evil.example`,
	`=cmd|' /C calc'!A0`, `a,b`, `a;b`, `a=b,c=d`, `,`, `;`, `,,,`, `k=v;k=v`,
	// characters
	"a\nb", "\n", "\r\n", "a\r", "a\tb", "\x00", "a\x00b", "\x1b[31m", "\x07", "\b", "\x7f", "\u0085", "\u00a0", "\u2028", "\u2029", "\ufeff", "a\ufeffb", "\u200b", "\u200d", "\u202e", "\u2066", "\ufffd", "\uffff", "\ufff9",
	"\xff", "\xc0\x80", "\xed\xa0\x80", "é", "世界", "🛵", "e\u0301", "ſ", "K", "\u00ad", "\U000e0001", "\ue000",
	// lengths
	"", " ", strings.Repeat("a", 253), strings.Repeat("a", 254), strings.Repeat("$", 300), strings.Repeat(`"`, 1000), strings.Repeat("a", 4096), strings.Repeat("é", 2048), strings.Repeat("a", 4097), strings.Repeat("a", 64<<10), strings.Repeat("[", 64<<10),
}

func TestHostileValuesAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range hostileValues {
		if seen[v] {
			t.Errorf("%q is there twice", v)
		}
		seen[v] = true
	}
	if len(seen) < 120 {
		t.Errorf("there are %d, want at least 120", len(seen))
	}
}

func hostilePod(t *testing.T, annotations map[string]string) []byte {
	t.Helper()
	object, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "app", "annotations": annotations},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "app", "image": "app:1", "securityContext": map[string]any{"runAsUser": 1, "runAsGroup": 1}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// refusedByField checks that every reason of a refusal is about the annotation.
func refusedByField(res *sidecars.Result, key string) error {
	if res.Outcome != sidecars.Denied || len(res.Errors) == 0 {
		return fmt.Errorf("is %s", res.Outcome)
	}
	for _, e := range res.Errors {
		if e.Field != "metadata.annotations["+key+"]" && e.Field != "metadata.annotations" {
			return fmt.Errorf("is refused for another field: %w", e)
		}
		if len(e.Error()) > 1000 {
			return fmt.Errorf("is refused with %d bytes of text", len(e.Error()))
		}
	}
	return nil
}

// cutItems cuts a list as an annotation gives it.
func cutItems(v, sep string) []string {
	var out []string
	for _, it := range strings.Split(v, sep) {
		if it = strings.TrimSpace(it); it != "" {
			out = append(out, it)
		}
	}
	return out
}
