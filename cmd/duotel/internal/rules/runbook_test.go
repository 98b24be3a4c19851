package rules

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// heading is one in docs/runbooks.md.
var heading = regexp.MustCompile(`(?m)^### (\w+)\n\n(Page|Ticket)\. `)

// burnAlerts are those of package slo, which has the catalogue's form and cannot be imported here.
var burnAlerts = map[string]Severity{"ErrorBudgetBurnsFast": Page, "ErrorBudgetBurns": Ticket}

// TestEveryAlertHasARunbook: the anchor that an alert leads to is there, and says as much as the alert; no section is left over.
func TestEveryAlertHasARunbook(t *testing.T) {
	content, err := os.ReadFile("../../../../docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]string{}
	for _, m := range heading.FindAllStringSubmatch(string(content), -1) {
		written[strings.ToLower(m[1])] = strings.ToLower(m[2])
	}
	alerts := alertsOf(groupsOf(t, names.Options{}))
	for name, severity := range burnAlerts {
		alerts = append(alerts, Alert{Name: name, Severity: severity})
	}
	for _, a := range alerts {
		if written[a.Anchor()] != string(a.Severity) {
			t.Errorf("docs/runbooks.md: %s has a section that says %q; want %q", a.Name, written[a.Anchor()], a.Severity)
		}
		if want := "docs/runbooks.md#" + a.Anchor(); !strings.HasSuffix(a.Runbook(""), want) {
			t.Errorf("%s leads to %s; want %s", a.Name, a.Runbook(""), want)
		}
		delete(written, a.Anchor())
	}
	for anchor := range written {
		t.Errorf("docs/runbooks.md: %s is no alert", anchor)
	}
	for part := range strings.SplitSeq(string(content), "\n### ") {
		name, text, _ := strings.Cut(part, "\n")
		for _, w := range []string{"**It means**", "**Look at**", "**Do**"} {
			if !strings.HasPrefix(name, "#") && !strings.Contains(text, w) {
				t.Errorf("docs/runbooks.md: %s has no %s", name, w)
			}
		}
	}
}
