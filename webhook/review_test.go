package webhook

import "testing"

func TestPeekFindsUIDAndNamespaceOfAReviewThatIsCutOff(t *testing.T) {
	whole := reviewOf("alpha")
	seen := map[[2]string]bool{}
	for end := range len(whole) {
		uid, namespace := peek([]byte(whole[:end]))
		seen[[2]string{uid, namespace}] = true
	}
	for got := range seen {
		if (got[0] != "" && got[0] != "u-1") || (got[1] != "" && got[1] != "shop") {
			t.Errorf("peek gives %q", got)
		}
	}
	if uid, namespace := peek([]byte(whole[:400])); uid != "u-1" || namespace != "shop" {
		t.Errorf("the first 400 bytes give %q, %q", uid, namespace)
	}
}

func TestPeekTakesNothingFromElsewhere(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "list": `["uid","x"]`, "no request": `{"uid":"x","object":{"uid":"y"}}`, "request is a list": `{"request":["uid","x"]}`,
		"uid of the user": `{"request":{"userInfo":{"uid":"x","namespace":"y"}}}`, "uid is a number": `{"request":{"uid":1,"namespace":{}}}`,
		"bad escape": `{"request":{"uid":"\q"}}`,
	} {
		if uid, namespace := peek([]byte(body)); uid != "" || namespace != "" {
			t.Errorf("%s: %q, %q", name, uid, namespace)
		}
	}
}

func TestObjectNameIsTheBestThereIs(t *testing.T) {
	for _, c := range []struct{ request, object, prefix, want string }{
		{"a", "b", "c-", "a"}, {"", "b", "c-", "b"}, {"", "", "c-", "c-"},
	} {
		r := request{Name: c.request}
		r.Object.Metadata.Name, r.Object.Metadata.GenerateName = c.object, c.prefix
		if got := r.objectName(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
