package slo

import (
	"os"
	"strings"
	"testing"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// TestRunbooks: both alerts have a section in docs/runbooks.md, which says how bad it is.
func TestRunbooks(t *testing.T) {
	content, err := os.ReadFile("../../../../docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range groupsOf(t, options(t, names.Options{}, 0), "availability=99.9%")[0].Alerts {
		severity := strings.ToUpper(string(a.Severity[:1])) + string(a.Severity[1:])
		if want := "### " + a.Name + "\n\n" + severity + ". "; !strings.Contains(string(content), want) {
			t.Errorf("docs/runbooks.md has no %q", want)
		}
	}
}
