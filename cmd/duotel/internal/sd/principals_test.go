package sd

import (
	"flag"
	"os"
	"strings"
	"testing"
)

// TestPrincipalsThatAreRefused has one defect per row, and the line that it is in.
func TestPrincipalsThatAreRefused(t *testing.T) {
	one := "  groups: [a]\n"
	hash := tokenHash("x")
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"empty":               {"", []string{"empty"}},
		"no YAML":             {"principals: [", []string{"line 1"}},
		"another document":    {"principals: []\n---\n{}\n", []string{"second document"}},
		"a list":              {"- a\n", []string{"line 1:", "mapping"}},
		"no principals":       {"principals: []\n", []string{"no principals"}},
		"nothing":             {"principals:\n", []string{"line 1: principals:", "not a list"}},
		"another field":       {"principal: []\n", []string{"line 1: principal:", "is not known; principals"}},
		"another field below": {"principals:\n- name: a\n  user: u\n  addreses: []\n" + one, []string{"line 4: addreses:", "addresses, certificate, groups, name, token_sha256, user"}},
		"a field twice":       {"principals:\n- name: a\n  user: u\n  name: b\n" + one, []string{"line 4: name:", "first in line 2"}},
		"a text":              {"principals:\n- workers\n", []string{"line 2:", "mapping"}},
		"no name":             {"principals:\n- user: u\n" + one, []string{"line 2: name:", "missing"}},
		"an empty name":       {"principals:\n- user: u\n  name:\n" + one, []string{"line 3: name:", "not a text"}},
		"a name twice":        {"principals:\n- {name: a, user: u, groups: [a]}\n- {name: a, user: v, groups: [a]}\n", []string{`line 3: name: "a"`, "line 2"}},
		"a user twice":        {"principals:\n- {name: a, user: u, groups: [a]}\n- {name: b, user: u, groups: [a]}\n", []string{`line 3: user "u"`, "line 2"}},
		"a token twice":       {"principals:\n- {name: a, token_sha256: " + hash + ", groups: [a]}\n- {name: b, token_sha256: " + hash + ", groups: [a]}\n", []string{"line 3: this token_sha256", "line 2"}},
		"no credential":       {"principals:\n- name: a\n" + one, []string{"line 2:", "0 of them", "exactly one"}},
		"two credentials":     {"principals:\n- {name: a, user: u, certificate: c, groups: [a]}\n", []string{"line 2:", "2 of them"}},
		"no groups":           {"principals:\n- {name: a, user: u}\n", []string{"line 2: groups:", "missing"}},
		"groups as a text":    {"principals:\n- {name: a, user: u, groups: a}\n", []string{"line 2: groups:", "not a list"}},
		"groups of nothing":   {"principals:\n- {name: a, user: u, groups: []}\n", []string{"line 2: groups:", "not a list with something"}},
		"star in the middle":  {"principals:\n- {name: a, user: u, groups: [a*b]}\n", []string{`line 2: groups: "a*b"`, "at the end"}},
		"a group with a /":    {"principals:\n- {name: a, user: u, groups: [a/b]}\n", []string{`line 2: groups: "a/b"`}},
		"an address":          {"principals:\n- name: a\n  user: u\n  addresses:\n  - 10.0.0.0/33\n" + one, []string{`line 5: addresses: "10.0.0.0/33"`, "10.0.0.0/8"}},
		"an address cut":      {"principals:\n- {name: a, user: u, groups: [a], addresses: [10.1.0.0/8]}\n", []string{`"10.1.0.0/8"`, "10.0.0.0/8"}},
		"a token itself":      {"principals:\n- {name: a, token_sha256: secret-token, groups: [a]}\n", []string{"line 2: token_sha256:", "not shown", "64"}},
		"the hash of nothing": {"principals:\n- {name: a, token_sha256: " + tokenHash("") + ", groups: [a]}\n", []string{"line 2: token_sha256:", "nothing"}},
		"an alias":            {"principals:\n- {name: &x a, user: *x, groups: [a]}\n", []string{"line 2: user:", "not a text"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parsePrincipals([]byte(tt.text))
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v; want %q in it", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("error = %v: shows the token", err)
			}
		})
	}
}

// TestPrincipalsThatNobodyCanBe has files that are well by themselves and do not fit the web configuration.
func TestPrincipalsThatNobodyCanBe(t *testing.T) {
	for text, want := range map[string]string{
		"principals:\n- {name: a, user: nobody, groups: [a]}\n":                         `line 2: user: "nobody" is not among basic_auth_users`,
		"principals:\n- {name: a, certificate: c, groups: [a]}\n":                       `line 2: certificate: "c" cannot be verified`,
		"principals:\n- {name: a, token_sha256: " + tokenHash("x") + ", groups: [a]}\n": "line 2: token_sha256: a token cannot be sent",
	} {
		all, err := parsePrincipals([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := provable(all, webConfig{users: map[string]string{"u": "hash"}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v; want %q", err, want)
		}
	}
}

// TestTheManualIsRight has the manual's principals read, and every flag in its table with the right default.
func TestTheManualIsRight(t *testing.T) {
	manual, err := os.ReadFile("../../../../docs/discovery.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(manual), "```yaml\n# principals.yml\n")
	example, _, found := strings.Cut(rest, "```")
	if all, err := parsePrincipals([]byte(example)); !found || err != nil || len(all) != 2 {
		t.Errorf("the manual's principals: %+v, %v", all, err)
	}
	set := flag.NewFlagSet("sd", flag.ContinueOnError)
	newOptions(set)
	set.VisitAll(func(f *flag.Flag) {
		_, line, ok := strings.Cut(string(manual), "| `-"+f.Name)
		line, _, _ = strings.Cut(line, "\n")
		if !ok || f.DefValue != "" && !strings.HasSuffix(line, "| `"+f.DefValue+"` |") {
			t.Errorf("-%s (default %q) is not in the manual as it is: %s", f.Name, f.DefValue, line)
		}
	})
}

// FuzzParsePrincipals sees that what is accepted says who and what, and that no text ends the program.
func FuzzParsePrincipals(f *testing.F) {
	f.Add("principals: [{name: a, user: u, groups: ['*'], addresses: [10.0.0.0/8]}]")
	f.Add("principals:\n- &a {name: a}\n- *a\n")
	f.Add("a: &a [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parsePrincipals([]byte(text))
		if err != nil {
			return
		}
		for _, p := range all {
			if p.name == "" || len(p.grant.Groups) == 0 || p.user == "" && p.certificate == "" && p.token == nil {
				t.Errorf("%q is accepted as %+v", text, p)
			}
		}
	})
}
