package contract

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Class says what a change does to people.
type Class string

// The classes, the worst first.
const (
	Breaking   Class = "breaking"   // a query, a dashboard or an alert that was right is not any more
	Cost       Class = "cost"       // queries stay right, and there can be more series
	Compatible Class = "compatible" // neither
)

// Change is a difference between two contracts.
type Change struct {
	Class Class
	// Instrument is the name, in the contract that has it.
	Instrument string
	// What has changed, and what that does.
	What, Effect string
	// Series is how many more series there can be; fewer is negative.
	Series int
}

// String returns the change in a line.
func (c Change) String() string {
	return fmt.Sprintf("%s: %s: %s: %s (%s)", c.Class, c.Instrument, c.What, c.Effect, moreSeries(c.Series))
}

func moreSeries(n int) string {
	if n == 0 {
		return "as many series"
	}
	return fmt.Sprintf("%+d series", n)
}

// Diff returns what changes from one contract to the next, the worst first, and among those by instrument.
func Diff(old, new *Contract) []Change {
	var out []Change
	for _, i := range old.Instruments {
		now, ok := new.Find(i.Family())
		switch {
		case ok:
			out = append(out, i.diff(now)...)
		default:
			out = append(out, i.gone(new))
		}
	}
	for _, now := range new.Instruments {
		if _, ok := old.Find(now.Family()); !ok && old.renamedFrom(now, new) == "" {
			out = append(out, Change{Cost, now.Name, "new", "nothing asks for it yet", now.Series()})
		}
	}
	return sorted(out)
}

// gone is an instrument that the new contract has under another name or unit, or not at all.
func (i Instrument) gone(new *Contract) Change {
	c := Change{Breaking, i.Name, "removed", "panels and alerts on " + i.Family() + " have no data", -i.Series()}
	for _, now := range new.Instruments {
		switch {
		case slices.Contains(now.Was, i.Name) || slices.Contains(now.Was, i.Family()):
			c.What, c.Series = fmt.Sprintf("renamed to %s", now.Name), now.Series()-i.Series()
			c.Effect = fmt.Sprintf("panels and alerts on %s have no data; it is %s now", i.Family(), now.Family())
			return c
		case stem(now) == stem(i) && (now.Unit != i.Unit || now.Kind != i.Kind):
			c.What, c.Series = fmt.Sprintf("is a %s in %q, was a %s in %q", now.Kind, now.Unit, i.Kind, i.Unit), now.Series()-i.Series()
			c.Effect = fmt.Sprintf("panels and alerts on %s have no data; it is %s now", i.Family(), now.Family())
		}
	}
	return c
}

// renamedFrom returns the name in old of an instrument of new, or "".
func (c *Contract) renamedFrom(now Instrument, new *Contract) string {
	for _, i := range c.Instruments {
		if _, there := new.Find(i.Family()); there {
			continue
		}
		if slices.Contains(now.Was, i.Name) || slices.Contains(now.Was, i.Family()) || stem(now) == stem(i) {
			return i.Name
		}
	}
	return ""
}

// stem is a family without what its unit and kind add.
func stem(i Instrument) string {
	f := strings.TrimSuffix(i.Family(), "_total")
	for word, unit := range units {
		if unit == i.Unit {
			f = strings.TrimSuffix(f, "_"+word)
		}
	}
	return f
}

func (i Instrument) diff(now Instrument) (out []Change) {
	add := func(class Class, series int, effect, format string, args ...any) {
		out = append(out, Change{class, i.Name, fmt.Sprintf(format, args...), effect, series})
	}
	if !sameOnPage(i.Kind, now.Kind) {
		add(Breaking, now.Series()-i.Series(), "a rate of a gauge and a value of a counter are both wrong", "is a %s, was a %s", now.Kind, i.Kind)
	}
	if i.Description != "" && now.Description != i.Description {
		add(Compatible, 0, "people read something else", "description %q, was %q", now.Description, i.Description)
	}
	if i.Deprecated == "" && now.Deprecated != "" {
		add(Compatible, 0, now.Deprecated, "deprecated")
	}
	if i.Stability == Stable && now.Stability == Development {
		add(Compatible, 0, "people cannot rely on it any more", "is in development, was stable")
	}
	out = append(out, i.diffBounds(now)...)
	for _, a := range i.Attributes {
		next, ok := now.Attribute(a.Label())
		if !ok {
			without := i
			without.Attributes = slices.DeleteFunc(slices.Clone(i.Attributes), func(b Attribute) bool { return b.Name == a.Name })
			add(Breaking, without.Series()-i.Series(), "what is asked by "+a.Label()+" has one line without a name, and what selects by it none", "attribute %s removed", a.Name)
			continue
		}
		out = append(out, i.diffValues(a, next)...)
	}
	for _, next := range now.Attributes {
		if _, ok := i.Attribute(next.Label()); !ok {
			add(Cost, i.Series()*(max(1, next.Count())-1), "what does not add up has more lines", "attribute %s added, %s", next.Name, next.describe())
		}
	}
	return out
}

func (a Attribute) describe() string {
	if len(a.Values) == 0 {
		return fmt.Sprintf("open, %d values", a.Open)
	}
	return fmt.Sprintf("%d values", len(a.Values))
}

func (i Instrument) diffBounds(now Instrument) (out []Change) {
	if i.Kind != Histogram || now.Kind != Histogram || len(i.Bounds) == 0 {
		return nil
	}
	each := i.Series() / (len(i.Bounds) + 3)
	for _, b := range i.Bounds {
		if !slices.Contains(now.Bounds, b) {
			out = append(out, Change{Breaking, i.Name, fmt.Sprintf("bound %g removed", b), fmt.Sprintf("objectives and alerts at le=%q have no data", fmt.Sprint(b)), -each})
		}
	}
	for _, b := range now.Bounds {
		if !slices.Contains(i.Bounds, b) {
			out = append(out, Change{Cost, i.Name, fmt.Sprintf("bound %g added", b), "quantiles near it are more exact", each})
		}
	}
	return out
}

func (i Instrument) diffValues(old, now Attribute) (out []Change) {
	per := i.Series() / max(1, old.Count())
	switch {
	case len(old.Values) == 0 && len(now.Values) == 0:
		if old.Open != now.Open {
			out = append(out, Change{Cost, i.Name, fmt.Sprintf("attribute %s has at most %d values, had %d", old.Name, now.Open, old.Open), "the bound of the series is another", per * (now.Open - old.Open)})
		}
	case len(now.Values) == 0:
		out = append(out, Change{Cost, i.Name, fmt.Sprintf("attribute %s is open now", old.Name), "the values that can come are not known", per * (now.Open - len(old.Values))})
	case len(old.Values) == 0:
		out = append(out, Change{Compatible, i.Name, fmt.Sprintf("attribute %s has %d known values now", old.Name, len(now.Values)), "it was open", per * (len(now.Values) - old.Open)})
	default:
		for _, v := range old.Values {
			if !slices.Contains(now.Values, v) {
				out = append(out, Change{Breaking, i.Name, fmt.Sprintf("%s=%q removed", old.Name, v), "what selects it has no data", -per})
			}
		}
		for _, v := range now.Values {
			if !slices.Contains(old.Values, v) {
				out = append(out, Change{Cost, i.Name, fmt.Sprintf("%s=%q added", old.Name, v), "panels have one more line", per})
			}
		}
	}
	return out
}

// Check returns how what was observed breaks the contract. It differs from [Diff] in that not everything that is promised has to
// occur: a value, or a whole attribute's values but one. An instrument and an attribute that never occur are broken promises.
func (c *Contract) Check(observed *Contract) []Change {
	var out []Change
	for _, change := range Diff(c, c.seen(observed)) {
		if change.Class != Compatible {
			out = append(out, change)
		}
	}
	return out
}

// seen is what was observed, with everything added to it that need not occur.
func (c *Contract) seen(observed *Contract) *Contract {
	out := &Contract{Service: c.Service}
	for _, now := range observed.Instruments {
		promised, ok := c.Find(now.Family())
		if ok {
			now.Description, now.Stability, now.Deprecated, now.Was = promised.Description, promised.Stability, promised.Deprecated, promised.Was
			if len(promised.Bounds) == 0 {
				now.Bounds = nil
			}
			now.Attributes = slices.Clone(now.Attributes)
			for k, a := range now.Attributes {
				if p, ok := promised.Attribute(a.Label()); ok {
					now.Attributes[k] = p.with(a)
				}
			}
		}
		out.Instruments = append(out.Instruments, now)
	}
	return out
}

// with is the promised attribute with what was seen besides.
func (a Attribute) with(seen Attribute) Attribute {
	if len(a.Values) == 0 {
		return Attribute{Name: a.Name, Open: max(a.Open, seen.Count())}
	}
	if len(seen.Values) == 0 {
		return Attribute{Name: a.Name, Open: seen.Open}
	}
	return Attribute{Name: a.Name, Values: union(a.Values, seen.Values)}
}

func sorted(changes []Change) []Change {
	order := []Class{Breaking, Cost, Compatible}
	slices.SortStableFunc(changes, func(a, b Change) int { return slices.Index(order, a.Class) - slices.Index(order, b.Class) })
	return changes
}

// WriteTable writes changes for people, with the sum of the series at the end.
func WriteTable(w io.Writer, changes []Change) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLASS\tINSTRUMENT\tWHAT\tEFFECT\tSERIES")
	total := 0
	for _, c := range changes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%+d\n", c.Class, c.Instrument, c.What, c.Effect, c.Series)
		total += c.Series
	}
	fmt.Fprintf(t, "\t\t%d changes\t\t%+d\n", len(changes), total)
	return t.Flush()
}

// Broken reports whether one of the changes breaks something.
func Broken(changes []Change) bool {
	return slices.ContainsFunc(changes, func(c Change) bool { return c.Class == Breaking })
}
